package bolt

import (
	"encoding/binary"

	"github.com/flowlog/checkpoint/driver"
)

// A run's row is stored as
//
//	0     4     8          16        24     32     48      49
//	+-----+-----+----------+---------+------+------+-------+------+
//	| CRC | sum | revision | recency | tail | life | suite | data |
//	+-----+-----+----------+---------+------+------+-------+------+
//
// The revision is rk<<32 plus the number of changes of the row, so no revision of a run
// id is ever reused. Place and class are not here but at the end of the run's bucket,
// see place.go.
const rowSize = 49

// maxRuns is the largest number of a run: it and the next one fit in 4 bytes.
const maxRuns = 1<<32 - 2

func encodeRow(id string, h *driver.Head) []byte {
	v := make([]byte, rowSize, rowSize+len(h.Data))
	order := binary.LittleEndian
	order.PutUint32(v[4:], h.Sum)
	order.PutUint64(v[8:], h.Revision)
	order.PutUint64(v[16:], h.Recency)
	order.PutUint64(v[24:], h.Tail)
	copy(v[32:], h.Life[:])
	v[48] = h.Suite
	v = append(v, h.Data...)
	order.PutUint32(v, rowSum(id, v))
	return v
}

func rowSum(id string, v []byte) uint32 {
	return checksum(kindHead, 0, uint64(len(id)), []byte(id), v[4:])
}

// decodeRow returns a row. Its data is still the page's.
func decodeRow(id string, v []byte) (driver.Head, error) {
	if len(v) < rowSize || binary.LittleEndian.Uint32(v) != rowSum(id, v) {
		return driver.Head{}, corrupt(id, 0, "the run's row doesn't match its checksum")
	}
	return readRow(id, v), nil
}

// readRow parses a row of at least rowSize bytes.
func readRow(id string, v []byte) driver.Head {
	order := binary.LittleEndian
	h := driver.Head{
		Run: id, Sum: order.Uint32(v[4:]), Revision: order.Uint64(v[8:]),
		Recency: order.Uint64(v[16:]), Tail: order.Uint64(v[24:]), Suite: v[48], Data: v[rowSize:],
	}
	copy(h.Life[:], v[32:])
	return h
}

// numberOf returns the rk that is part of a revision.
func numberOf(revision uint64) uint64 { return revision >> 32 }
