package log_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// frame returns a zstd frame that says that it holds size bytes, and holds as many
// zeros as zeros says. With size below 0 it does not say.
func frame(size, zeros int64) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd}
	if size < 0 {
		b = append(b, 0x00, 0x50) // a window of 1 MiB
	} else {
		b = binary.LittleEndian.AppendUint64(append(b, 0xe0), uint64(size))
	}
	for {
		n := min(zeros, 128<<10)
		zeros -= n
		block := uint32(n<<3 | 1<<1) // one byte, repeated
		if zeros == 0 {
			block |= 1
		}
		b = append(b, byte(block), byte(block>>8), byte(block>>16), 0)
		if zeros == 0 {
			return b
		}
	}
}

// TestBomb gives small records that claim to hold much. It does not run beside
// other tests since it measures what is allocated.
func TestBomb(t *testing.T) {
	s := newSpecimen(t)
	const most = 4 << 20
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x7f}, make([]byte, 100)...)
	for _, seq := range []uint64{1, 21, 26, specimenSize} {
		for _, encoding := range []log.Encoding{driver.Zstd, driver.DeltaZstd} {
			size := s.events[seq-1].Size
			for name, bomb := range map[string][]byte{
				"claims 1 GiB":             frame(1<<30, 1),
				"claims 2⁶³ bytes":         frame(-1<<63, 1)[:6], // and ends there
				"claims 90 MB":             frame(90e6, 1),
				"holds 90 MB":              frame(90e6, 90e6),
				"claims 60 MB":             frame(60e6, 1),
				"holds 200 MB":             frame(200e6, 200e6),
				"holds 200 MB, not saying": frame(-1, 200e6),
				"claims the right size":    frame(size, 200e6),
				"two frames":               append(frame(size, size), frame(200e6, 200e6)...),
				"skippable":                skippable,
				"after a skippable":        append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, frame(200e6, 200e6)...),
			} {
				l := s.damaged(t, func(r *driver.Record) bool {
					if r.Seq == seq {
						if r.State != nil {
							r.State = bomb
						}
						if encoding == driver.DeltaZstd && r.Base == 0 {
							r.Base, r.Links = seq-1, 200
						} else if encoding == driver.Zstd {
							r.Base, r.Links = 0, 0
						}
						r.Encoding = encoding
						r.Sum = log.RecordSum(s.life, r)
					}
					return true
				})
				for at := uint64(1); at <= specimenSize; at++ {
					if !s.leans[at][seq] {
						continue
					}
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					_, err := l.At(t.Context(), specimenRun, at)
					runtime.ReadMemStats(&after)
					require.ErrorIs(t, err, log.ErrCorrupt, name)
					require.Less(t, int64(after.TotalAlloc-before.TotalAlloc), int64(most), "%s, as %s of %d, read for %d", name, encoding, seq, at)
				}
				require.NoError(t, l.Close())
			}
		}
	}
}
