//go:build unix

package sqlite

import (
	"os"

	"golang.org/x/sys/unix"
)

// atLimit reports whether a file is as large as the process may make one (RLIMIT_FSIZE), but
// for a large write.
func atLimit(paths ...string) bool {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &limit) != nil {
		return false
	}
	const write = 64 << 10 // SQLite writes pages
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && uint64(info.Size())+write > uint64(limit.Cur) {
			return true
		}
	}
	return false
}
