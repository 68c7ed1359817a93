"""The servers that the serving benchmark compares, each written as its users would, in its fastest usual way."""
