"""The documented examples over REST, where no other test shows the whole of one."""
