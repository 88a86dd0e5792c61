package bolt

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/driver"
)

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

// EncodeRecord returns an event as it is stored.
func EncodeRecord(rk uint64, r driver.Record) []byte { return encodeRecord(rk, &r) }

// DecodeRecord returns an event without its state.
func DecodeRecord(rk, seq uint64, v []byte) (driver.Record, error) {
	s, err := decodeRecord("run", rk, seq, v)
	if err != nil {
		return driver.Record{}, err
	}
	return s.record(), nil
}

// ParseRecord returns an event, whatever its checksum, and its state if it is inline.
func ParseRecord(seq uint64, v []byte) (r driver.Record, inline []byte, ok bool) {
	s := parseRecord(seq, v)
	if s == nil {
		return driver.Record{}, nil, false
	}
	return s.record(), s.inline, true
}

// NoteCopy makes a file say that Reclaim is writing a copy of that name.
func NoteCopy(t *testing.T, path, name string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(oursBucket).Put(copyKey, []byte(name)) }))
	require.NoError(t, db.Close())
}
