package fileid

import "golang.org/x/sys/unix"

// IsMount reports whether a file is mounted by itself, without the folder that it is in, as
// containers do it; false where that is not known: before Linux 5.8 and on other systems.
func IsMount(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_SYNC_AS_STAT, unix.STATX_TYPE, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
