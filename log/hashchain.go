package log

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"

	"github.com/flowlog/checkpoint/driver"
)

// suiteSHA256 is the suite of this format: SHA-256, and no cipher.
const suiteSHA256 = 1

// chainAfter returns the place in a run's hash chain of the event that follows seq prevSeq:
//
//	hash(1) = SHA-256( frame("") ‖ frame(header(1)) ‖ frame(SHA-256(state(1))) )
//	hash(n) = SHA-256( frame(hash(n-1)) ‖ frame(header(n)) ‖ frame(SHA-256(state(n))) ‖
//	                   frame(graph) ‖ frame(writer) ‖ frame(version ‖ attempt) )
//	frame(x) = length of x as 8 bytes, big-endian ‖ x
//
// Graph, writer, version and attempt are those of event 1, from which headers inherit (see
// [Common]); the numbers have 8 bytes each, big-endian. So they stay proven when event 1 was
// dropped. The framing makes no two different events hash the same bytes. The header of
// event 1 holds the run's id and incarnation id, so two lives of one run id share no hash.
// The chain covers the hash of a state and not the state, so the chain still verifies after a
// state was dropped.
//
// inherited is what [Common.frames] returns.
func chainAfter(prevSeq uint64, prev Digest, inherited, header []byte, state Digest) Digest {
	b := make([]byte, 0, 512) // enough for most headers
	if prevSeq == 0 {
		return sha256.Sum256(appendFrames(b, nil, header, state[:]))
	}
	return sha256.Sum256(append(appendFrames(b, prev[:], header, state[:]), inherited...))
}

// frames returns the last three frames of chainAfter.
func (c *Common) frames() []byte {
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:], uint64(c.Version))
	binary.BigEndian.PutUint64(numbers[8:], uint64(c.Attempt))
	return appendFrames(make([]byte, 0, 96), []byte(c.GraphID), []byte(c.Writer), numbers[:])
}

// noteHash is the hash chain of a run's notes:
//
//	hash(n) = SHA-256( frame(hash(n-1)) ‖ frame(note(n)) )
//
// where hash(0) is the run's incarnation id as text.
func noteHash(number uint64, prev Digest, life string, note []byte) Digest {
	if number == 1 {
		return hashFrames([]byte(life), note)
	}
	return hashFrames(prev[:], note)
}

func hashFrames(parts ...[]byte) Digest {
	return sha256.Sum256(appendFrames(nil, parts...))
}

func appendFrames(b []byte, parts ...[]byte) []byte {
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(p))), p...)
	}
	return b
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordSum is the CRC-32C of a record without its state, whose SHA-256 it covers. It
// covers the run's incarnation, so that a record of an earlier life is distinguished from
// one of this life.
func recordSum(life string, r *driver.Record) uint32 {
	b := make([]byte, 0, 192)
	for _, n := range [...]uint64{r.Seq, r.Recency, uint64(r.Bytes), uint64(r.Stored), r.Base, r.Recoverable, r.Tip, r.Since} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = append(b, byte(r.Encoding), byte(r.Flags))
	b = binary.BigEndian.AppendUint32(b, r.Links)
	b = append(b, r.Hash[:]...)
	b = append(b, r.StateHash[:]...)
	b = append(b, life...)
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, r.Header)
}

// headSum is the CRC-32C of a run's id, its life, its suite, its tail as 8 bytes,
// big-endian, and its head's data. It stays the same in every format version.
func headSum(h *driver.Head) uint32 {
	b := append([]byte(h.Run), h.Life[:]...)
	b = binary.BigEndian.AppendUint64(append(b, h.Suite), h.Tail)
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, h.Data)
}
