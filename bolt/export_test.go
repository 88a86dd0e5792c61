package bolt

// Formatted is what says that a file is ours, of any version.
func Formatted(version uint32) []byte { return format(version) }
