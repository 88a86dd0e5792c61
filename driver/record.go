package driver

import (
	"encoding/hex"
	"fmt"
)

// Record is an event as it is stored in a run's tail. All of it but Seq is the
// engine's: a backend returns what it was given.
type Record struct {
	Seq uint64
	// Recency is what Head says of it.
	Recency uint64
	// Flags say how to treat the event. An engine refuses a record with a flag that it
	// doesn't know.
	Flags Flags
	// Encoding says what State holds. Base and Links are those of a delta: the seq of
	// the event whose state it is to be applied to, and how many seqs back the state
	// that all rests on is stored whole, which is also an upper bound for the number of
	// deltas in between. Base of a Pruned record is the number of the note that says
	// why.
	Encoding Encoding
	Base     uint64
	Links    uint32
	// Recoverable is the newest recoverable event on the record's line, at or before
	// it; Tip the newest recoverable event of the run, at or before it, on whatever
	// line; 0 where there is none. Of a recoverable event both are its own seq. So what
	// recovery takes is one read away, behind any number of failures.
	Recoverable, Tip uint64
	// Since is from where on the line is unbroken: all recoverable events from Since to
	// Recoverable, both included, are on the record's line. 0 if Recoverable is.
	Since uint64
	// Bytes and Stored are running totals over the run up to and with this event: of
	// the states as they were given, and of headers and states as they were stored, in
	// bytes.
	Bytes, Stored int64
	// Sum is a CRC-32C over all fields but State.
	Sum uint32
	// Hash is the event's place in the run's hash chain, StateHash the SHA-256 of the
	// state as it was given.
	Hash, StateHash Digest
	// Header is the event's header: JSON text, unless Flags has Opaque.
	Header []byte
	// State is the event's state as Encoding says, nil or empty for one of no bytes; nil
	// when the request asked for headers only.
	State []byte
	// StateLen is the length of the stored State in bytes, given also when the state
	// was not asked for. Backends fill it in; Apply ignores it.
	StateLen int64
}

// Flags say how to treat an event. The bits are stored and never change their meaning.
type Flags uint8

// The flags that are known.
const (
	// Passed: recovery passes over the event, because it has a role.
	Passed Flags = 1 << 0
	// Opaque: the header is not text. Nothing sets it yet; encryption will.
	Opaque Flags = 1 << 1
)

// Encoding says how a record stores its state.
type Encoding uint8

// The encodings. They are stored and never change.
const (
	// Plain is the state byte for byte.
	Plain Encoding = 1
	// Zstd is the whole state as one zstd frame.
	Zstd Encoding = 2
	// Delta is a delta of package log/delta against the state of event Base.
	Delta Encoding = 3
	// DeltaZstd is a Delta as one zstd frame.
	DeltaZstd Encoding = 4
	// Pruned says that the state was dropped; the header remains.
	Pruned Encoding = 5
)

// String returns the encoding's name as `flowlog` and the SQLite view show it.
func (e Encoding) String() string {
	switch e {
	case Plain:
		return "plain"
	case Zstd:
		return "zstd"
	case Delta:
		return "delta"
	case DeltaZstd:
		return "delta+zstd"
	case Pruned:
		return "pruned"
	}
	return "unknown"
}

// Whole reports whether the state is stored without need of any other.
func (e Encoding) Whole() bool { return e == Plain || e == Zstd }

// RecordsRequest asks for a page of a run's tail.
type RecordsRequest struct {
	Run string
	// From and To are the first and the last seq wanted, both included. Where From is
	// larger there is nothing to return.
	From, To uint64
	// Reverse asks for descending order, from To down to From.
	Reverse bool
	// HeadersOnly leaves out the states, unread.
	HeadersOnly bool
	// Limit is the largest number of records to return; at least 1.
	Limit int
	// MaxBytes ends the page before it would hold more than this many bytes of headers
	// and states; the first record is returned whatever its size. 0 means no bound.
	MaxBytes int64
}

// Digest is a SHA-256. Its text form is 64 hexadecimal digits.
type Digest [32]byte

// String returns the digest as 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether all bytes are 0.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText implements [encoding.TextMarshaler].
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("digest of %d characters: want %d hexadecimal digits", len(text), hex.EncodedLen(len(d)))
	}
	_, err := hex.Decode(d[:], text)
	return err
}
