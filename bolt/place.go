package bolt

import (
	"bytes"
	"encoding/binary"

	"github.com/flowlog/checkpoint/driver"
)

// A run's bucket ends with
//
//	0     4     12      20      21
//	+-----+-----+-------+-------+
//	| CRC | seq | place | class |
//	+-----+-----+-------+-------+
//
// the seq of the last event that was appended, 0 if there was none, and where the run is
// in the order of runs; and, once it has some events, with an empty key after that. The
// CRC covers the run's id, too, so that a run whose row is damaged is found again.
//
// bbolt leaves at least three keys on the second of two pages that it splits one into.
// With the two keys at the end, that is one event: if a page has room for four events,
// then of five events four stay on the first page, not three.
const endSize = 21

// padEvents is the number of events from which a run's bucket has the empty key. Fewer
// seldom fill a page.
const padEvents = 4

// end is the value at the end of a run's bucket.
type end struct {
	seq uint64
	place
}

// place is a run's place in the order of runs: by class, and within it by place.
type place struct {
	class uint8
	at    uint64
}

func endSum(id string, rk uint64, v []byte) uint32 {
	return checksum(kindEnd, rk, uint64(len(id)), []byte(id), v[4:])
}

func encodeEnd(id string, rk uint64, e end) []byte {
	v := make([]byte, endSize)
	binary.LittleEndian.PutUint64(v[4:], e.seq)
	binary.LittleEndian.PutUint64(v[12:], e.at)
	v[20] = e.class
	binary.LittleEndian.PutUint32(v, endSum(id, rk, v))
	return v
}

func decodeEnd(id string, rk uint64, v []byte) (end, bool) {
	if len(v) != endSize || binary.LittleEndian.Uint32(v) != endSum(id, rk, v) {
		return end{}, false
	}
	return end{binary.LittleEndian.Uint64(v[4:]), place{v[20], binary.LittleEndian.Uint64(v[12:])}}, true
}

// end returns the value at the end of the run's bucket, and a cursor at it.
func (r *run) end() (end, *cursor, error) {
	c := r.bucket.Cursor()
	k, v := lastKey(c)
	e, ok := decodeEnd(r.id, r.rk, v)
	if !ok || !bytes.Equal(k, endKey) {
		return end{}, nil, corrupt(r.id, 0, "the end of the run's events is missing")
	}
	return e, c, nil
}

// lastKey moves a cursor to the last key of a run's bucket with a value.
func lastKey(c *cursor) (k, v []byte) {
	k, v = c.Last()
	if bytes.Equal(k, padKey) {
		return c.Prev()
	}
	return k, v
}

// putEnd writes the end of a run's bucket.
func (r *run) putEnd(e end) error {
	if e.seq >= r.head.Tail+padEvents {
		if err := r.bucket.Put(padKey, []byte{}); err != nil {
			return err
		}
	}
	return r.bucket.Put(endKey, encodeEnd(r.id, r.rk, e))
}

// next returns the place of a run in that class whose last event has a recency. The run
// keeps its place while that is less than [driver.Lag] behind.
func (p place) next(class uint8, recency uint64) place {
	if p.class == class && p.at <= recency && recency-p.at < driver.Lag {
		return p
	}
	return place{class, recency}
}

// placeKeySize is the length of a key in places without the id.
const placeKeySize = 9

func (p place) key(id string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{p.class}, p.at), id...)
}

// placeOf parses a key in places.
func placeOf(k []byte) (p place, id string, ok bool) {
	if len(k) <= placeKeySize {
		return place{}, "", false
	}
	return place{k[0], binary.BigEndian.Uint64(k[1:])}, string(k[placeKeySize:]), true
}

// placeFill is how full bbolt leaves a page of places that it splits. Runs are placed at
// the end of their class.
const placeFill = 0.9

// put adds a run to the order.
func (p place) put(tx *transaction, id string) error {
	places, err := bucket(tx, placesBucket)
	if err != nil {
		return err
	}
	places.fill(placeFill)
	k := p.key(id)
	return places.Put(k, binary.LittleEndian.AppendUint32(nil, checksum(kindPlace, 0, 0, k)))
}

// remove removes a run from the order.
func (p place) remove(tx *transaction, id string) error {
	places, err := bucket(tx, placesBucket)
	if err != nil {
		return err
	}
	return places.Delete(p.key(id))
}
