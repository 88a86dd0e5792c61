package logtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/log"
)

// diffHead says what differs between heads; "" is nothing.
func diffHead(want, have log.Head) string {
	switch {
	case want.Run != have.Run:
		return fmt.Sprintf("Run is %s, must be %s", quote(have.Run), quote(want.Run))
	case want.Revision != have.Revision:
		return fmt.Sprintf("Revision is %d, must be %d", have.Revision, want.Revision)
	case want.Recency != have.Recency:
		return fmt.Sprintf("Recency is %d, must be %d", have.Recency, want.Recency)
	case want.Tail != have.Tail:
		return fmt.Sprintf("Tail is %d, must be %d", have.Tail, want.Tail)
	case want.Sum != have.Sum:
		return fmt.Sprintf("Sum is %#x, must be %#x", have.Sum, want.Sum)
	}
	if d := diffBytes("Data", want.Data, have.Data); d != "" {
		return d
	}
	return diffLast(want.Last, have.Last)
}

// diffLast says what differs between the newest records of heads.
func diffLast(want, have *log.Record) string {
	switch {
	case want == nil && have == nil:
		return ""
	case want == nil:
		return fmt.Sprintf("Last is seq %d, must be nil", have.Seq)
	case have == nil:
		return fmt.Sprintf("Last is nil, must be seq %d", want.Seq)
	case want.Seq != have.Seq:
		return fmt.Sprintf("Last is seq %d, must be seq %d", have.Seq, want.Seq)
	}
	full := *want
	full.State = make([]byte, want.StateLen) // of a state that is not read only the length counts
	if d := diffRecord(full, *have, true); d != "" {
		return fmt.Sprintf("Last, seq %d: %s", want.Seq, d)
	}
	return ""
}

func diffBytes(what string, want, have []byte) string {
	if bytes.Equal(want, have) {
		return ""
	}
	i := 0
	for i < min(len(want), len(have)) && want[i] == have[i] {
		i++
	}
	return fmt.Sprintf("%s of %d bytes differs at byte %d from the %d bytes that were given", what, len(have), i, len(want))
}

// diffRecords says what differs between pages; "" is nothing. The wanted records
// have their states also where only headers were asked for.
func diffRecords(want, have []log.Record, headersOnly bool) string {
	if !slices.EqualFunc(want, have, func(x, y log.Record) bool { return x.Seq == y.Seq }) {
		return fmt.Sprintf("got %s, must be %s", seqs(have), seqs(want))
	}
	for i := range want {
		if d := diffRecord(want[i], have[i], headersOnly); d != "" {
			return fmt.Sprintf("seq %d: %s", want[i].Seq, d)
		}
	}
	return ""
}

func diffRecord(want, have log.Record, headersOnly bool) string {
	switch {
	case want.Recency != have.Recency:
		return fmt.Sprintf("Recency is %d, must be %d", have.Recency, want.Recency)
	case want.Encoding != have.Encoding:
		return fmt.Sprintf("Encoding is %d, must be %d", have.Encoding, want.Encoding)
	case want.Base != have.Base:
		return fmt.Sprintf("Base is %d, must be %d", have.Base, want.Base)
	case want.Links != have.Links:
		return fmt.Sprintf("Links is %d, must be %d", have.Links, want.Links)
	case want.Bytes != have.Bytes:
		return fmt.Sprintf("Bytes is %d, must be %d", have.Bytes, want.Bytes)
	case want.Stored != have.Stored:
		return fmt.Sprintf("Stored is %d, must be %d", have.Stored, want.Stored)
	case want.Sum != have.Sum:
		return fmt.Sprintf("Sum is %#x, must be %#x", have.Sum, want.Sum)
	case want.Hash != have.Hash:
		return fmt.Sprintf("Hash is %x, must be %x", have.Hash[:], want.Hash[:])
	case have.StateLen != int64(len(want.State)):
		return fmt.Sprintf("StateLen is %d, must be %d", have.StateLen, len(want.State))
	}
	if d := diffBytes("Header", want.Header, have.Header); d != "" {
		return d
	}
	if headersOnly {
		if have.State != nil {
			return fmt.Sprintf("State has %d bytes, must be nil", len(have.State))
		}
		return ""
	}
	return diffBytes("State", want.State, have.State)
}

func diffSegments(want, have []log.Segment) string {
	if len(want) != len(have) {
		return fmt.Sprintf("there are %d, must be %d", len(have), len(want))
	}
	for i := range want {
		if d := diffSegment(want[i], have[i]); d != "" {
			return fmt.Sprintf("number %d: %s", i+1, d)
		}
	}
	return ""
}

func diffSegment(want, have log.Segment) string {
	switch {
	case want.ID != have.ID, want.First != have.First, want.Last != have.Last, want.Size != have.Size:
		return fmt.Sprintf("got %s, must be %s", describeSegment(have), describeSegment(want))
	case want.Index == nil && len(have.Index) > 0:
		return fmt.Sprintf("it is listed with its index, %d bytes", len(have.Index))
	case want.Data == nil && len(have.Data) > 0:
		return fmt.Sprintf("it comes with its data, %d bytes", len(have.Data))
	}
	if d := diffBytes("Index", want.Index, have.Index); d != "" {
		return d
	}
	return diffBytes("Data", want.Data, have.Data)
}

func describeSegment(s log.Segment) string {
	return fmt.Sprintf("segment %d of %d to %d, %d bytes", s.ID, s.First, s.Last, s.Size)
}

// seqs names records by their seqs.
func seqs(recs []log.Record) string {
	if len(recs) == 0 {
		return "no records"
	}
	var b strings.Builder
	b.WriteString("seqs")
	for i, r := range recs {
		if i == 12 {
			fmt.Fprintf(&b, " … %d, %d in all", recs[len(recs)-1].Seq, len(recs))
			break
		}
		fmt.Fprintf(&b, " %d", r.Seq)
	}
	return b.String()
}

// ids names heads by their runs.
func ids(heads []log.Head) string {
	if len(heads) == 0 {
		return "no runs"
	}
	var out []string
	for i, h := range heads {
		if i == 12 {
			out = append(out, fmt.Sprintf("… %d in all", len(heads)))
			break
		}
		out = append(out, quote(h.Run))
	}
	return strings.Join(out, " ")
}

// quote shows an id, shortened.
func quote(id string) string {
	if len(id) > 40 {
		return fmt.Sprintf("%q… of %d bytes", id[:40], len(id))
	}
	return fmt.Sprintf("%q", id)
}

// request describes what was asked for.
func request(req log.RecordsRequest) string {
	s := fmt.Sprintf("%d to %d of run %s, Limit %d", req.From, req.To, quote(req.Run), req.Limit)
	if req.MaxBytes > 0 {
		s += fmt.Sprintf(", MaxBytes %d", req.MaxBytes)
	}
	if req.Reverse {
		s += ", Reverse"
	}
	if req.HeadersOnly {
		s += ", HeadersOnly"
	}
	return s
}

func listing(req log.HeadsRequest) string {
	order := "by id"
	if req.Newest {
		order = "newest first"
	}
	s := fmt.Sprintf("%s, Limit %d", order, req.Limit)
	if req.Prefix != "" {
		s += ", Prefix " + quote(req.Prefix)
	}
	if req.After.Run != "" {
		s += fmt.Sprintf(", After %s of recency %d", quote(req.After.Run), req.After.Recency)
	}
	return s
}
