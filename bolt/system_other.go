//go:build !unix

package bolt

import "os"

// keepOwner does nothing: the folder decides.
func keepOwner(f, like *os.File) error { return nil }

// syncFolder does nothing, where a folder can't be synced.
func syncFolder(path string) error { return nil }
