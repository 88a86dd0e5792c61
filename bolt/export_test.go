package bolt

// Formatted is what says that a file is ours, of any version.
func Formatted(version uint32) []byte { return format(version) }

// OnStep has a function called between the steps of Reclaim.
func (b *Backend) OnStep(f func(done string)) { b.step = f }

// Closing reports whether Close was called.
func (b *Backend) Closing() bool { return b.closing.Load() }
