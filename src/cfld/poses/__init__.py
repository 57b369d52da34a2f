"""Poses: the skeleton, keypoints and their files, and the pose map that the pose adapter reads."""
