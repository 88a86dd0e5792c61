package driver

import (
	"encoding/hex"
	"fmt"
)

// Record is an event as it is stored in a run's tail. All fields but Seq belong to the
// engine: a backend returns them unchanged.
type Record struct {
	Seq uint64
	// Recency is as described at Head.
	Recency uint64
	// Flags say how to treat the event. An engine refuses a record with a flag that it
	// doesn't know.
	Flags Flags
	// Encoding says what State holds. Base and Links belong to a delta. Base is the seq
	// of the event whose state the delta applies to. Links is how many seqs back the
	// whole state is that the chain of deltas starts from; it also bounds the number of
	// deltas in between. Base of a Pruned record is the number of the note that says
	// why.
	Encoding Encoding
	Base     uint64
	Links    uint32
	// Recoverable is the newest recoverable event on the record's line, at or before
	// it. Tip is the newest recoverable event of the run on any line, at or before it.
	// Each is 0 if there is no such event. For a recoverable event both are its own
	// seq. So recovery finds its event with one read, after any number of failures.
	Recoverable, Tip uint64
	// Since is the beginning of the unbroken part of the line: all recoverable events
	// from Since to Recoverable, inclusive, are on the record's line. It is 0 if
	// Recoverable is.
	Since uint64
	// Bytes and Stored are running totals, in bytes, over the run up to and including
	// this event. Bytes counts the states as given, Stored the headers and states as
	// stored.
	Bytes, Stored int64
	// Sum is a CRC-32C over all fields but State.
	Sum uint32
	// Hash is the event's place in the run's hash chain. StateHash is the SHA-256 of
	// the state as given.
	Hash, StateHash Digest
	// Header is the event's header: JSON text, unless Flags has Opaque.
	Header []byte
	// State is the event's state, stored as Encoding says. An empty state is nil or
	// empty. It is nil if the request asked for headers only.
	State []byte
	// StateLen is the length of the stored State in bytes, set even if the request did
	// not ask for states. Backends fill it in; Apply ignores it.
	StateLen int64
}

// Flags say how to treat an event. The bits are stored and never change their meaning.
type Flags uint8

// The known flags.
const (
	// Passed: recovery skips the event, because it has a role.
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

// Whole reports whether the state can be read without any other state.
func (e Encoding) Whole() bool { return e == Plain || e == Zstd }

// RecordsRequest asks for a page of a run's tail.
type RecordsRequest struct {
	Run string
	// From and To are the first and the last seq wanted, inclusive. If From is larger,
	// the page is empty.
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
