package bolt

// Formatted is the value that says that a file is ours, of any version.
func Formatted(version uint32) []byte { return format(version) }

// OnStep makes Reclaim call a function between its steps.
func (b *Backend) OnStep(f func(done string)) { b.step = f }

// Closing reports whether Close was called.
func (b *Backend) Closing() bool { return b.closing.Load() }

// SetClock replaces the clock that slots expire by.
func (b *Backend) SetClock(clock func() int64) { b.clock = clock }

// Pages returns how many pages all commits have written, but for meta pages.
func (b *Backend) Pages() int64 {
	h := b.current.Load()
	stats := h.db.Stats().TxStats
	return stats.GetPageAlloc() / int64(h.db.Info().PageSize)
}

// CloseFile closes the file behind bbolt's back, so that writing to it fails.
func (b *Backend) CloseFile() error { return b.current.Load().file.Close() }
