"""Image metrics: pure functions on pictures, features and joints, and the protocols that papers compute them by."""
