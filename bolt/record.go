package bolt

import (
	"encoding/binary"

	"github.com/flowlog/checkpoint/driver"
)

// inlineState is the size in bytes up to which a state is stored beside its header.
const inlineState = 2048

// An event is stored as
//
//	0     4              8         16         17      18     19    23     55           87
//	+-----+--------------+---------+----------+-------+------+-----+------+------------+--
//	| CRC | CRC of state | recency | encoding | flags | form | sum | hash | state hash |
//	+-----+--------------+---------+----------+-------+------+-----+------+------------+--
//	  87                                                                 h
//	--+-------+------+-------+--------+-------------+-----+-------+------+--------+-------+
//	  | links | base | bytes | stored | recoverable | tip | since | lengths | header | state |
//	--+-------+------+-------+--------+-------------+-----+-------+---------+--------+-------+
//
// The first CRC covers all from byte 4 but the state. Form 0 has the state here, form 1
// in a bucket of its own. From links on, the numbers are varints (encoding/binary's
// Uvarint); base, recoverable and tip are distances back from the event's own seq, so
// most take one byte. The lengths are those of the header and of the state.
const recordFixed = 87

const (
	formInline = 0
	formApart  = 1
)

func encodeRecord(rk uint64, r *driver.Record) []byte {
	state := r.State
	form := byte(formInline)
	if len(state) > inlineState {
		state, form = nil, formApart
	}
	v := make([]byte, recordFixed, recordFixed+48+len(r.Header)+len(state))
	order := binary.LittleEndian
	order.PutUint32(v[4:], checksum(kindState, rk, r.Seq, r.State))
	order.PutUint64(v[8:], r.Recency)
	v[16], v[17], v[18] = byte(r.Encoding), byte(r.Flags), form
	order.PutUint32(v[19:], r.Sum)
	copy(v[23:], r.Hash[:])
	copy(v[55:], r.StateHash[:])
	for _, n := range [...]uint64{
		uint64(r.Links), r.Seq - r.Base, uint64(r.Bytes), uint64(r.Stored),
		r.Seq - r.Recoverable, r.Seq - r.Tip, r.Since, uint64(len(r.Header)), uint64(len(r.State)),
	} {
		v = binary.AppendUvarint(v, n)
	}
	v = append(v, r.Header...)
	order.PutUint32(v, checksum(kindRecord, rk, r.Seq, v[4:]))
	return append(v, state...)
}

// stored is an event as it is stored. Its bytes are the page's.
type stored struct {
	run string
	rk  uint64

	rec      driver.Record // without header and state
	header   []byte
	inline   []byte // the state, unless it is apart
	apart    bool
	stateSum uint32
}

// decodeRecord reads an event and checks all but its state.
func decodeRecord(run string, rk, seq uint64, v []byte) (*stored, error) {
	if s := parseRecord(seq, v); s != nil {
		end := len(v) - len(s.inline)
		if binary.LittleEndian.Uint32(v) == checksum(kindRecord, rk, seq, v[4:end]) {
			s.run, s.rk = run, rk
			return s, nil
		}
	}
	return nil, corrupt(run, seq, "the event doesn't match its checksum")
}

// parseRecord returns nil for bytes that can't be an event.
func parseRecord(seq uint64, v []byte) *stored {
	if len(v) < recordFixed || v[18] > formApart {
		return nil
	}
	var n [9]uint64
	rest := v[recordFixed:]
	for i := range n {
		size := 0
		if n[i], size = binary.Uvarint(rest); size <= 0 {
			return nil
		}
		rest = rest[size:]
	}
	headerLen, stateLen := n[7], n[8]
	if headerLen > uint64(len(rest)) || stateLen > 1<<62 {
		return nil
	}
	s := &stored{header: rest[:headerLen], inline: rest[headerLen:], apart: v[18] == formApart}
	if s.apart && len(s.inline) > 0 || !s.apart && uint64(len(s.inline)) != stateLen {
		return nil
	}
	order := binary.LittleEndian
	s.stateSum = order.Uint32(v[4:])
	s.rec = driver.Record{
		Seq: seq, Recency: order.Uint64(v[8:]), Encoding: driver.Encoding(v[16]), Flags: driver.Flags(v[17]),
		Sum: order.Uint32(v[19:]), Hash: driver.Digest(v[23:55]), StateHash: driver.Digest(v[55:87]),
		Links: uint32(n[0]), Base: seq - n[1], Bytes: int64(n[2]), Stored: int64(n[3]),
		Recoverable: seq - n[4], Tip: seq - n[5], Since: n[6], StateLen: int64(stateLen),
	}
	return s
}

// record returns a copy without the state.
func (s *stored) record() driver.Record {
	rec := s.rec
	rec.Header = append([]byte{}, s.header...)
	return rec
}

// copy returns a copy, with the state if wanted.
func (s *stored) copy(run *tree, state bool) (driver.Record, error) {
	if state {
		return s.whole(run)
	}
	return s.record(), nil
}

// whole returns a copy with the state.
func (s *stored) whole(run *tree) (driver.Record, error) {
	state := s.inline
	if s.apart {
		if own := run.Bucket(stateKey(s.rec.Seq)); own != nil {
			state = own.Get(firstKey)
		}
	}
	if int64(len(state)) == s.rec.StateLen {
		// The copy is checked, since the file may change under the page.
		state = append([]byte{}, state...)
		if checksum(kindState, s.rk, s.rec.Seq, state) == s.stateSum {
			rec := s.record()
			rec.State = state
			return rec, nil
		}
	}
	return driver.Record{}, corrupt(s.run, s.rec.Seq, "the state doesn't match its checksum")
}

// putRecord stores an event.
func (r *run) putRecord(rec *driver.Record) error {
	if err := r.bucket.Put(recordKey(rec.Seq), encodeRecord(r.rk, rec)); err != nil {
		return err
	}
	if len(rec.State) <= inlineState {
		return nil
	}
	own, err := r.bucket.CreateBucket(stateKey(rec.Seq))
	if err != nil {
		return err
	}
	return own.Put(firstKey, rec.State)
}

// rewrite stores an event of the tail anew.
func (r *run) rewrite(rec *driver.Record) error {
	if rec.Seq < r.head.Tail || r.bucket.Get(recordKey(rec.Seq)) == nil {
		return nil
	}
	// The old state is deleted even if it is damaged.
	if r.bucket.Bucket(stateKey(rec.Seq)) != nil {
		if err := r.bucket.DeleteBucket(stateKey(rec.Seq)); err != nil {
			return err
		}
	}
	return r.putRecord(rec)
}
