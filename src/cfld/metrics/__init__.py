"""Image metrics: pure functions on images, features and joints, and the protocols that papers compute them by."""
