package segment

import "crypto/sha256"

// group is what GroupEntries entries have of small payloads.
type group struct {
	at       int64 // in the index
	size     int64 // as stored
	raw      int64
	count    int
	method   byte
	stored   []byte
	payloads []byte // nil until they are needed
}

// parseGroups reads which payloads lie in the index, the digests of all others, and the
// hashes between groups.
func (x *Index) parseGroups(t, tail *reader) error {
	x.groups = make([]group, (len(x.entries)+GroupEntries-1)/GroupEntries)
	at := t.pos
	for k := range x.groups {
		v, err := t.number("small payloads' stored length", uint64(len(tail.b))<<1|1)
		if err != nil {
			return err
		}
		x.groups[k].size, x.groups[k].method = int64(v>>1), byte(v&1)
	}
	x.spans = make([]span, len(x.entries))
	for i := range x.entries {
		s, err := x.parseSmall(i, t)
		if err != nil {
			return err
		}
		x.spans[i] = s
		if s.block == nowhere {
			digest, err := tail.bytes("digest", digestLen)
			if err != nil {
				return err
			}
			x.entries[i].Digest = [digestLen]byte(digest)
		}
		if endsGroup(i, len(x.entries)) {
			hash, err := tail.bytes("hash", digestLen)
			if err != nil {
				return err
			}
			x.entries[i].Hash = [digestLen]byte(hash)
		}
	}
	x.entries[len(x.entries)-1].Hash = x.info.Hash
	for k := range x.groups {
		switch g := &x.groups[k]; {
		case g.method == methodStored && g.size != g.raw:
			return corrupt("table: length of small payloads stored as they are", at, g.size, g.raw)
		case g.method == methodZstd && g.size >= g.raw:
			return corrupt("table: length of compressed small payloads", at, g.size, g.raw-1)
		}
	}
	return nil
}

// parseSmall returns the place of an entry's payload if that is in the index.
func (x *Index) parseSmall(i int, t *reader) (span, error) {
	out := span{block: nowhere}
	g, e := &x.groups[i/GroupEntries], &x.entries[i]
	if g.size == 0 {
		return out, nil
	}
	at := t.pos
	lies, err := t.bytes("place of a payload", 1)
	switch {
	case err != nil:
		return out, err
	case lies[0] == 0:
		return out, nil
	case lies[0] > 1:
		return out, corrupt("table: place of a payload", at, int(lies[0]), 1)
	case e.Len == 0:
		return out, corrupt("table: bytes of a payload that has a place", at, 0, 1)
	case e.Len > MaxSmall:
		return out, corrupt("table: length of a payload in the index", at, e.Len, MaxSmall)
	}
	out = span{inIndex, g.raw}
	g.raw += e.Len
	g.count++
	return out, nil
}

// small returns an entry's payload, which is in the index. It is safe for concurrent use.
func (x *Index) small(i int) ([]byte, error) {
	g, s := &x.groups[i/GroupEntries], x.spans[i]
	x.mu.Lock()
	defer x.mu.Unlock()
	if g.payloads == nil {
		if g.payloads = g.stored; g.method == methodZstd {
			raw, err := x.c.inflate(nil, g.stored, g.raw, 0)
			if err != nil {
				g.payloads = nil
				return nil, &Error{Err: ErrCorrupt, What: "index: small payloads", Offset: g.at, Cause: err}
			}
			g.payloads = raw
		}
		g.stored = nil
	}
	end := s.off + x.entries[i].Len
	return g.payloads[s.off:end:end], nil
}

// Digest returns an entry's digest. Of a payload that lies in the index it is computed
// in each call, and the error is ErrCorrupt if that can't be decompressed. For a seq
// that is not in the segment it is ErrInvalid. Errors are in an *Error.
func (x *Index) Digest(seq uint64) ([digestLen]byte, error) {
	if seq < x.info.First || seq > x.info.Last {
		return [digestLen]byte{}, invalid("seq outside the segment", seq, x.info.Last)
	}
	i := int(seq - x.info.First)
	if x.spans[i].block != inIndex {
		return x.entries[i].Digest, nil
	}
	payload, err := x.small(i)
	if err != nil {
		return [digestLen]byte{}, err
	}
	return sha256.Sum256(payload), nil
}
