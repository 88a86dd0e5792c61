//go:build !linux

package fileid

// IsMount reports whether a file is mounted by itself, without the folder that it is in, as
// containers do it; false where that is not known: before Linux 5.8 and on other systems.
func IsMount(string) bool { return false }
