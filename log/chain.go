package log

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
)

// The hash chain of a run:
//
//	hash(n) = SHA-256( frame(hash(n-1)) ‖ frame(header(n)) ‖ frame(SHA-256(state(n))) )
//	frame(x) = length of x as 8 bytes, big-endian ‖ x
//
// hash(0) is the empty string. The framing makes two different triples never
// hash the same bytes. The header of event 1 holds the run's incarnation id, so
// two lives of one run id share no hash. Because the chain covers the hash of a
// state and not the state, a state can be dropped and the chain still verifies.
func chainHash(prev *Digest, header []byte, state Digest) Digest {
	h := sha256.New()
	var n [8]byte
	frame := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	if prev == nil {
		frame(nil)
	} else {
		frame(prev[:])
	}
	frame(header)
	frame(state[:])
	var d Digest
	h.Sum(d[:0])
	return d
}

// chainAfter is chainHash for the event that follows seq prevSeq.
func chainAfter(prevSeq uint64, prev Digest, header []byte, state Digest) Digest {
	if prevSeq == 0 {
		return chainHash(nil, header, state)
	}
	return chainHash(&prev, header, state)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordSum is the CRC-32C of a record but for its state, whose SHA-256 is in
// the header. It covers the run's incarnation, so that a record of an earlier
// life is told from one of this.
func recordSum(life string, r *Record) uint32 {
	b := make([]byte, 0, 128)
	b = binary.BigEndian.AppendUint64(b, r.Seq)
	b = binary.BigEndian.AppendUint64(b, r.Recency)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Bytes))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Stored))
	b = append(b, byte(r.Encoding))
	b = binary.BigEndian.AppendUint64(b, r.Base)
	b = binary.BigEndian.AppendUint32(b, r.Links)
	b = append(b, r.Hash[:]...)
	b = append(b, life...)
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, r.Header)
}

// headSum is the CRC-32C of a run's id, its tail as 8 bytes, big-endian, and its head's
// data. It stays so in every format version.
func headSum(run string, tail uint64, data []byte) uint32 {
	b := binary.BigEndian.AppendUint64([]byte(run), tail)
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, data)
}
