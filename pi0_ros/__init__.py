"""The π0 vision-language-action model on a ROS 2 robot."""
