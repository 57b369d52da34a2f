"""Poses: skeleton, keypoints and their file formats, pose detectors, and the pose map that the pose adapter reads."""
