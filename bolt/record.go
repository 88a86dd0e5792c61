package bolt

import (
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/log"
)

// An event is stored as
//
//	0       4       8         16         17    18  20      24     32      40
//	+-------+-------+---------+----------+-----+---+-------+------+-------+
//	| CRC   | CRC of| recency | encoding | own | 0 | links | base | bytes |
//	| 4 to h| state |         |          |     |   |       |      |       |
//	+-------+-------+---------+----------+-----+---+-------+------+-------+
//	40       48    52       56        64     96       h
//	+--------+-----+--------+---------+------+--------+-------+
//	| stored | sum | length | length  | hash | header | state |
//	|        |     | header | state   |      |        |       |
//	+--------+-----+--------+---------+------+--------+-------+
//
// with the state there if own is 0, and in a bucket of its own if it is 1.
const recordSize = 96

func encodeRecord(rk uint64, r *log.Record) []byte {
	state := r.State
	if len(state) > inlineState {
		state = nil
	}
	v := make([]byte, recordSize, recordSize+len(r.Header)+len(state))
	order := binary.LittleEndian
	order.PutUint32(v[4:], checksum(kindState, rk, r.Seq, r.State))
	order.PutUint64(v[8:], r.Recency)
	v[16] = byte(r.Encoding)
	if len(r.State) > inlineState {
		v[17] = 1
	}
	order.PutUint32(v[20:], r.Links)
	order.PutUint64(v[24:], r.Base)
	order.PutUint64(v[32:], uint64(r.Bytes))
	order.PutUint64(v[40:], uint64(r.Stored))
	order.PutUint32(v[48:], r.Sum)
	order.PutUint32(v[52:], uint32(len(r.Header)))
	order.PutUint64(v[56:], uint64(len(r.State)))
	copy(v[64:], r.Hash[:])
	v = append(v, r.Header...)
	order.PutUint32(v, checksum(kindRecord, rk, r.Seq, v[4:]))
	return append(v, state...)
}

// stored is an event as it is stored. Its bytes are the page's.
type stored struct {
	run     string
	rk, seq uint64
	value   []byte
}

// check finds out whether all but the state is as it was written.
func (s *stored) check() error {
	v, order := s.value, binary.LittleEndian
	if len(v) >= recordSize {
		end, length := uint64(recordSize)+uint64(order.Uint32(v[52:])), order.Uint64(v[56:])
		fits := end == uint64(len(v))
		if v[17] == 0 {
			fits = end <= uint64(len(v)) && uint64(len(v))-end == length
		}
		if fits && order.Uint32(v) == checksum(kindRecord, s.rk, s.seq, v[4:end]) {
			return nil
		}
	}
	return corrupt(s.run, s.seq, "the event doesn't match its checksum")
}

// The methods below want check to have passed.

func (s *stored) recency() uint64  { return binary.LittleEndian.Uint64(s.value[8:]) }
func (s *stored) apart() bool      { return s.value[17] != 0 }
func (s *stored) stateLen() int64  { return int64(binary.LittleEndian.Uint64(s.value[56:])) }
func (s *stored) headerEnd() int   { return recordSize + s.headerLen() }
func (s *stored) headerLen() int   { return int(binary.LittleEndian.Uint32(s.value[52:])) }
func (s *stored) stateSum() uint32 { return binary.LittleEndian.Uint32(s.value[4:]) }

// record returns a copy without the state.
func (s *stored) record() log.Record {
	v, order := s.value, binary.LittleEndian
	r := log.Record{
		Seq: s.seq, Recency: s.recency(), Encoding: log.Encoding(v[16]),
		Links: order.Uint32(v[20:]), Base: order.Uint64(v[24:]),
		Bytes: int64(order.Uint64(v[32:])), Stored: int64(order.Uint64(v[40:])), Sum: order.Uint32(v[48:]),
		Header: append([]byte{}, v[recordSize:s.headerEnd()]...), StateLen: s.stateLen(),
	}
	copy(r.Hash[:], v[64:])
	return r
}

// state returns a copy of the state, never nil.
func (s *stored) state(run *bbolt.Bucket) ([]byte, error) {
	var state []byte
	if s.apart() {
		if own := run.Bucket(stateKey(s.seq)); own != nil {
			state = own.Get(firstKey)
		}
	} else {
		state = s.value[s.headerEnd():]
	}
	if int64(len(state)) == s.stateLen() {
		// What is checked is the copy: the file may change under the page.
		state = append([]byte{}, state...)
		if checksum(kindState, s.rk, s.seq, state) == s.stateSum() {
			return state, nil
		}
	}
	return nil, corrupt(s.run, s.seq, "the state doesn't match its checksum")
}

// The end of a run is a checksum and the seq of the last event.
func encodeEnd(rk, seq uint64) []byte {
	v := binary.LittleEndian.AppendUint64(make([]byte, 4, 12), seq)
	binary.LittleEndian.PutUint32(v, checksum(kindEnd, rk, 0, v[4:]))
	return v
}

func decodeEnd(rk uint64, v []byte) (seq uint64, ok bool) {
	if len(v) != 12 || binary.LittleEndian.Uint32(v) != checksum(kindEnd, rk, 0, v[4:]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(v[4:]), true
}

// What is said of a segment is stored as
//
//	0       4        8        12  16      24     32       40      48
//	+-------+--------+--------+---+-------+------+--------+--------+
//	| CRC   | CRC of | CRC of | 0 | first | last | length | length |
//	|       | index  | data   |   |       |      | index  | data   |
//	+-------+--------+--------+---+-------+------+--------+--------+
const segmentSize = 48

func encodeSegment(rk, id uint64, s *log.Segment) []byte {
	v := make([]byte, segmentSize)
	order := binary.LittleEndian
	order.PutUint32(v[4:], checksum(kindIndex, rk, id, s.Index))
	order.PutUint32(v[8:], checksum(kindData, rk, id, s.Data))
	order.PutUint64(v[16:], s.First)
	order.PutUint64(v[24:], s.Last)
	order.PutUint64(v[32:], uint64(len(s.Index)))
	order.PutUint64(v[40:], uint64(len(s.Data)))
	order.PutUint32(v, checksum(kindSegment, rk, id, v[4:]))
	return v
}

// decodeSegment returns also what a damaged value says, with the error.
func decodeSegment(run string, rk, id uint64, v []byte) (s log.Segment, err error) {
	order := binary.LittleEndian
	if len(v) != segmentSize || order.Uint32(v) != checksum(kindSegment, rk, id, v[4:]) {
		err = corruptSegment(run, id, "what is said of it doesn't match its checksum")
	}
	if len(v) != segmentSize {
		return log.Segment{}, err
	}
	return log.Segment{
		ID: id, First: order.Uint64(v[16:]), Last: order.Uint64(v[24:]),
		Size: int64(order.Uint64(v[32:]) + order.Uint64(v[40:])),
	}, err
}

// segmentPart returns a copy of one part of a segment's contents.
func segmentPart(run string, rk, id uint64, header, part []byte, kind byte) ([]byte, error) {
	sum, length := binary.LittleEndian.Uint32(header[4:]), binary.LittleEndian.Uint64(header[32:])
	what := "its index doesn't match its checksum"
	if kind == kindData {
		sum, length = binary.LittleEndian.Uint32(header[8:]), binary.LittleEndian.Uint64(header[40:])
		what = "its data doesn't match its checksum"
	}
	if uint64(len(part)) == length {
		part = append([]byte{}, part...)
		if checksum(kind, rk, id, part) == sum {
			return part, nil
		}
	}
	return nil, corruptSegment(run, id, what)
}
