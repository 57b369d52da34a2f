"""The app: one's own images and poses in the browser. It calls the pipeline and what `cfld`'s commands call."""
