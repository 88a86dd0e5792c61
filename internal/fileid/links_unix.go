//go:build unix

package fileid

import (
	"os"
	"syscall"
)

// Links returns how many names (hard links) a file has; 1 where that is not known.
func Links(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}
