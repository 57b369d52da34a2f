"""Image metrics: functions of images, features and keypoints, and the protocols that define their variants."""
