"""π0 in plain PyTorch: it knows no robot, no ROS and nothing else of this package."""
