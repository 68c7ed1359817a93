"""The servers that the serving benchmark compares, each as its users would write it, and in its faster way."""
