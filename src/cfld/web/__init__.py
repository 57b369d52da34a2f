"""HTTP building blocks shared by the Gradio app and the user study: headers, body limits, rate limits, sockets."""
