package drivertest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// diffHead says what differs between heads; "" is nothing. A wanted place of 0 stands for
// any that is right.
func diffHead(want, have driver.Head) string {
	switch {
	case want.Run != have.Run:
		return fmt.Sprintf("Run is %s, must be %s", quote(have.Run), quote(want.Run))
	case want.Revision != have.Revision:
		return fmt.Sprintf("Revision is %d, must be %d", have.Revision, want.Revision)
	case want.Recency != have.Recency:
		return fmt.Sprintf("Recency is %d, must be %d", have.Recency, want.Recency)
	case have.Place > have.Recency || have.Recency-have.Place >= driver.Lag:
		return fmt.Sprintf("Place is %d, must be at most Recency, %d, and less than Lag behind it", have.Place, have.Recency)
	case want.Place != 0 && want.Place != have.Place:
		return fmt.Sprintf("Place is %d, must be %d", have.Place, want.Place)
	case want.Life != have.Life:
		return fmt.Sprintf("Life is %x, must be %x", have.Life, want.Life)
	case want.Class != have.Class:
		return fmt.Sprintf("Class is %d, must be %d", have.Class, want.Class)
	case want.Suite != have.Suite:
		return fmt.Sprintf("Suite is %d, must be %d", have.Suite, want.Suite)
	case want.Tail != have.Tail:
		return fmt.Sprintf("Tail is %d, must be %d", have.Tail, want.Tail)
	case want.Sum != have.Sum:
		return fmt.Sprintf("Sum is %#x, must be %#x", have.Sum, want.Sum)
	}
	if d := diffBytes("Data", want.Data, have.Data); d != "" {
		return d
	}
	if d := diffLast(want.Last, have.Last); d != "" {
		return d
	}
	return diffTip(want.Tip, have.Tip)
}

// diffTip says what differs between the tips of heads.
func diffTip(want, have *driver.Record) string {
	switch {
	case want == nil && have == nil:
		return ""
	case want == nil:
		return fmt.Sprintf("Tip is seq %d, must be nil", have.Seq)
	case have == nil:
		return fmt.Sprintf("Tip is nil, must be seq %d", want.Seq)
	case want.Seq != have.Seq:
		return fmt.Sprintf("Tip is seq %d, must be seq %d", have.Seq, want.Seq)
	}
	if d := diffRecord(*want, *have, false); d != "" {
		return fmt.Sprintf("Tip, seq %d: %s", want.Seq, d)
	}
	return ""
}

// diffLast says what differs between the newest records of heads.
func diffLast(want, have *driver.Record) string {
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
func diffRecords(want, have []driver.Record, headersOnly bool) string {
	if !slices.EqualFunc(want, have, func(x, y driver.Record) bool { return x.Seq == y.Seq }) {
		return fmt.Sprintf("got %s, must be %s", seqs(have), seqs(want))
	}
	for i := range want {
		if d := diffRecord(want[i], have[i], headersOnly); d != "" {
			return fmt.Sprintf("seq %d: %s", want[i].Seq, d)
		}
	}
	return ""
}

func diffRecord(want, have driver.Record, headersOnly bool) string {
	switch {
	case want.Recency != have.Recency:
		return fmt.Sprintf("Recency is %d, must be %d", have.Recency, want.Recency)
	case want.Flags != have.Flags:
		return fmt.Sprintf("Flags is %#x, must be %#x", have.Flags, want.Flags)
	case want.Encoding != have.Encoding:
		return fmt.Sprintf("Encoding is %d, must be %d", have.Encoding, want.Encoding)
	case want.Base != have.Base:
		return fmt.Sprintf("Base is %d, must be %d", have.Base, want.Base)
	case want.Links != have.Links:
		return fmt.Sprintf("Links is %d, must be %d", have.Links, want.Links)
	case want.Recoverable != have.Recoverable:
		return fmt.Sprintf("Recoverable is %d, must be %d", have.Recoverable, want.Recoverable)
	case want.Tip != have.Tip:
		return fmt.Sprintf("Tip is %d, must be %d", have.Tip, want.Tip)
	case want.Since != have.Since:
		return fmt.Sprintf("Since is %d, must be %d", have.Since, want.Since)
	case want.Bytes != have.Bytes:
		return fmt.Sprintf("Bytes is %d, must be %d", have.Bytes, want.Bytes)
	case want.Stored != have.Stored:
		return fmt.Sprintf("Stored is %d, must be %d", have.Stored, want.Stored)
	case want.Sum != have.Sum:
		return fmt.Sprintf("Sum is %#x, must be %#x", have.Sum, want.Sum)
	case want.Hash != have.Hash:
		return fmt.Sprintf("Hash is %x, must be %x", have.Hash[:], want.Hash[:])
	case want.StateHash != have.StateHash:
		return fmt.Sprintf("StateHash is %x, must be %x", have.StateHash[:], want.StateHash[:])
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

func diffSegments(want, have []driver.Segment) string {
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

func diffSegment(want, have driver.Segment) string {
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

func describeSegment(s driver.Segment) string {
	return fmt.Sprintf("segment %d of %d to %d, %d bytes", s.ID, s.First, s.Last, s.Size)
}

// diffEntries says what differs between pages of entries; "" is nothing.
func diffEntries(want, have []driver.Entry) string {
	for i := range min(len(want), len(have)) {
		if !bytes.Equal(want[i].Key, have[i].Key) {
			return fmt.Sprintf("number %d has the key %s, must have %s", i+1, quote(string(have[i].Key)), quote(string(want[i].Key)))
		}
		if d := diffBytes("Value", want[i].Value, have[i].Value); d != "" {
			return fmt.Sprintf("key %s: %s", quote(string(want[i].Key)), d)
		}
	}
	if len(want) != len(have) {
		return fmt.Sprintf("got %s, must be %s", keys(have), keys(want))
	}
	return ""
}

// diffSlot says what differs between slots; "" is nothing. Of the time to live it says
// only whether there is one.
func diffSlot(want, have driver.Slot) string {
	switch {
	case want.Version != have.Version:
		return fmt.Sprintf("Version is %d, must be %d", have.Version, want.Version)
	case have.TTL < 0 || have.TTL > want.TTL || want.TTL > 0 && have.TTL == 0:
		return fmt.Sprintf("TTL is %v, of %v that were given", have.TTL, want.TTL)
	}
	return diffBytes("Value", want.Value, have.Value)
}

// seqs names records by their seqs.
func seqs(recs []driver.Record) string {
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

// keys names entries by their keys.
func keys(entries []driver.Entry) string {
	if len(entries) == 0 {
		return "no entries"
	}
	out := []string{"the keys"}
	for i, e := range entries {
		if i == 12 {
			out = append(out, fmt.Sprintf("… %s, %d in all", quote(string(entries[len(entries)-1].Key)), len(entries)))
			break
		}
		out = append(out, quote(string(e.Key)))
	}
	return strings.Join(out, " ")
}

// ids names heads by their runs.
func ids(heads []driver.Head) string {
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
func request(req driver.RecordsRequest) string {
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

func listing(req driver.HeadsRequest) string {
	order := "by id"
	if req.Newest {
		order = "newest first"
	}
	s := fmt.Sprintf("%s, Limit %d", order, req.Limit)
	if req.Prefix != "" {
		s += ", Prefix " + quote(req.Prefix)
	}
	if req.Class != nil {
		s += fmt.Sprint(", Class ", *req.Class)
	}
	if req.After.Run != "" {
		s += fmt.Sprintf(", After %s in place %d", quote(req.After.Run), req.After.Place)
	}
	return s
}

func segmentListing(req driver.SegmentsRequest) string {
	s := fmt.Sprintf("%d to %d of run %s, Limit %d", req.From, req.To, quote(req.Run), req.Limit)
	if req.Reverse {
		s += ", Reverse"
	}
	return s
}

func entryListing(req driver.EntriesRequest) string {
	s := fmt.Sprintf("from %q", req.From)
	if req.To != nil {
		s += fmt.Sprintf(" to %q", req.To)
	}
	s += fmt.Sprintf(" of run %s, Limit %d", quote(req.Run), req.Limit)
	if req.MaxBytes > 0 {
		s += fmt.Sprintf(", MaxBytes %d", req.MaxBytes)
	}
	if req.Reverse {
		s += ", Reverse"
	}
	return s
}
