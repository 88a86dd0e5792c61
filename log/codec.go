package log

import (
	"fmt"
	"math"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/delta"
)

// How far a state may depend on others. All that rests on a state stored whole is
// at most maxLinks seqs later, on whatever branch, so a damaged record takes at
// most 256 states with it; and reading a state reads at most chainFactor times its
// size, plus chainSlack bytes for small ones.
const (
	maxLinks    = 255
	chainFactor = 1
	chainSlack  = 64 << 10
)

// codec turns states into what records hold and back. It is safe for concurrent
// use.
type codec struct {
	opts Options
	// Speed first: sealing compresses again. The faster levels' tables also stay
	// in the processor's cache beside the states, which matters more here than
	// their speed alone.
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec(opts Options) (codec, error) {
	n := runtime.GOMAXPROCS(0)
	c := codec{opts: opts}
	var err error
	// A single segment says its content's size up front: see inflate. Lower memory
	// holds one window for history, of 4 MB, and not two.
	c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(n),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithSingleSegment(true))
	if err != nil {
		return codec{}, fmt.Errorf("zstd encoder: %w", err)
	}
	// A frame may not make the decoder allocate more than a state may be, with
	// room for the operations of a delta.
	limit := uint64(opts.MaxState)*2 + 1<<20
	if c.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(n), zstd.WithDecoderMaxMemory(limit), zstd.WithDecodeAllCapLimit(true)); err != nil {
		return codec{}, fmt.Errorf("zstd decoder: %w", err)
	}
	return c, nil
}

// encoded is a state as a record stores it.
type encoded struct {
	encoding Encoding
	base     uint64
	bytes    []byte // may be the state itself
	chain    int64  // stored bytes to be read to get at the state
	from     *snapshot
}

// links returns Record.Links for the event seq.
func (e *encoded) links(seq uint64) uint64 {
	if e.from == nil {
		return 0
	}
	return seq - e.from.event.Seq + uint64(e.from.links)
}

// chainCost is what a delta adds to a chain: its stored bytes, or an eighth of its
// own size if it compresses further, since a chain is decompressed all at once.
func chainCost(stored, raw int) int64 { return int64(max(stored, raw/8)) }

// encode chooses how to store a state; base is the state it grew from, or nil.
func (c *codec) encode(state []byte, base *snapshot) encoded {
	if c.opts.AllPlain || len(state) <= c.opts.PlainMax || len(state) == 0 {
		return encoded{encoding: driver.Plain, bytes: state, chain: int64(len(state))}
	}
	if base != nil && base.links < maxLinks {
		d := delta.Encode(nil, base.event.State, state)
		e := encoded{encoding: driver.Delta, base: base.event.Seq, bytes: d, from: base}
		if z := c.enc.EncodeAll(d, nil); len(z) < len(d) {
			e.encoding, e.bytes = driver.DeltaZstd, z
		}
		e.chain = base.chain + chainCost(len(e.bytes), len(d))
		if len(d) <= len(state)/2 && e.chain <= chainFactor*int64(len(state))+chainSlack {
			return e
		}
	}
	z := c.enc.EncodeAll(state, nil)
	if len(z) >= len(state) {
		return encoded{encoding: driver.Plain, bytes: state, chain: int64(len(state))}
	}
	return encoded{encoding: driver.Zstd, bytes: z, chain: int64(len(z))}
}

// whole returns a state that is stored without need of another, of at most max
// bytes, and that the caller may keep.
func (c *codec) whole(r *record, max int64) ([]byte, error) {
	if r.Encoding == driver.Plain {
		return r.State, nil
	}
	return c.inflate(r.State, max)
}

// parse returns the delta that a record holds; max bounds its target.
func (c *codec) parse(r *record, max int64) (*delta.Delta, error) {
	b := r.State
	if r.Encoding == driver.DeltaZstd {
		var err error
		if b, err = c.inflate(b, 2*max+1<<20); err != nil {
			return nil, err
		}
	}
	return delta.Parse(b, int(max))
}

// inflatedSize returns how many bytes a record's state takes when it is
// decompressed, as its frame says; what it is made of is not looked at.
func inflatedSize(r *record) int64 {
	var h zstd.Header
	if r.Encoding != driver.Zstd && r.Encoding != driver.DeltaZstd || h.Decode(r.State) != nil || !h.HasFCS {
		return int64(len(r.State))
	}
	return int64(min(h.FrameContentSize, math.MaxInt32))
}

// inflate decompresses exactly one zstd frame that gives its content's size, of
// at most limit bytes, so that nothing is allocated on a damaged frame's word.
func (c *codec) inflate(b []byte, limit int64) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return nil, fmt.Errorf("%w: zstd: %w", ErrCorrupt, err)
	}
	if h.Skippable || !h.HasFCS || h.FrameContentSize > uint64(limit) {
		return nil, fmt.Errorf("%w: zstd frame of %d bytes where at most %d can be", ErrCorrupt, h.FrameContentSize, limit)
	}
	out, err := c.dec.DecodeAll(b, make([]byte, 0, h.FrameContentSize))
	if err != nil {
		return nil, fmt.Errorf("%w: zstd: %w", ErrCorrupt, err)
	}
	if uint64(len(out)) != h.FrameContentSize {
		return nil, fmt.Errorf("%w: zstd frame of another length (want %d, have %d)", ErrCorrupt, h.FrameContentSize, len(out))
	}
	return out, nil
}
