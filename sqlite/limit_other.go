//go:build !unix

package sqlite

// atLimit reports whether a file is as large as the process may make one, but for a large
// write.
func atLimit(...string) bool { return false }
