package segment

import (
	"errors"
	"fmt"
	"math"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// Options are the choices that a [Codec] leaves open. The zero value is good.
type Options struct {
	// BlockSize is how many bytes of payloads are compressed together, 64 KiB by
	// default. A larger payload has a block to itself. Any codec reads segments
	// of any block size.
	BlockSize int
	// MaxPayload bounds the length of a payload and of a block before
	// compression, in bytes; by default 1e9 and 1 MiB. A reader never allocates
	// more for a block.
	MaxPayload int64
}

// Defaults of Options.
const (
	defaultBlockSize  = 64 << 10
	defaultMaxPayload = 1e9 + 1<<20
)

// tableWindow is how far back the compressor of tables looks, and holds of memory
// always: few tables are larger.
const tableWindow = 1 << 20

// Codec makes writers and readers of segments, which share its compressors. It is
// safe for concurrent use, and is made once, as compressors are large.
type Codec struct {
	opts Options
	enc  *zstd.Encoder // of blocks
	tab  *zstd.Encoder // of tables
	dec  *zstd.Decoder
}

// NewCodec returns a codec.
func NewCodec(opts Options) (*Codec, error) {
	if opts.BlockSize <= 0 {
		opts.BlockSize = defaultBlockSize
	}
	if opts.MaxPayload <= 0 {
		opts.MaxPayload = defaultMaxPayload
	}
	opts.MaxPayload = min(max(opts.MaxPayload, int64(opts.BlockSize)), math.MaxInt)
	c := &Codec{opts: opts}
	var err error
	// Each encoder holds tables of 4 MB and a window of 8 MB, which would be two
	// without lower memory: no more of them than seal at a time. A single segment
	// says its content's size up front: see inflate.
	c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(min(4, runtime.GOMAXPROCS(0))),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, fmt.Errorf("zstd encoder: %w", err)
	}
	c.tab, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(min(4, runtime.GOMAXPROCS(0))),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(tableWindow), zstd.WithSingleSegment(true), zstd.WithEncoderDictRaw(dictionaryID, []byte(dictionary)))
	if err != nil {
		return nil, fmt.Errorf("zstd encoder: %w", err)
	}
	limit := uint64(max(opts.MaxPayload, MaxTable))
	c.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderMaxMemory(limit),
		zstd.WithDecoderMaxWindow(limit), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderDictRaw(dictionaryID, []byte(dictionary)))
	if err != nil {
		return nil, fmt.Errorf("zstd decoder: %w", err)
	}
	return c, nil
}

// deflate appends raw to dst, compressed if that makes it shorter.
func deflate(enc *zstd.Encoder, dst, raw []byte) (out []byte, method byte) {
	out = enc.EncodeAll(raw, dst)
	if len(out)-len(dst) < len(raw) {
		return out, methodZstd
	}
	return append(out[:len(dst)], raw...), methodStored
}

// inflate decompresses b, which has to be exactly one zstd frame of exactly n
// bytes, and uses dst if there is room. Only the caller's n, which is checked
// against its bounds, is ever allocated.
func (c *Codec) inflate(dst, b []byte, n int64, dict uint32) ([]byte, error) {
	if err := checkFrame(b, n, dict); err != nil {
		return nil, err
	}
	if int64(cap(dst)) < n {
		dst = make([]byte, 0, n)
	}
	out, err := c.dec.DecodeAll(b, dst[:0:n])
	if err != nil {
		return nil, err
	}
	if int64(len(out)) != n {
		return nil, fmt.Errorf("frame of %d bytes, want %d", len(out), n)
	}
	return out, nil
}

// checkFrame walks a zstd frame's blocks (RFC 8878, section 3.1.1): the decoder by
// itself also takes several frames in a row, skippable ones, and none.
func checkFrame(b []byte, n int64, dict uint32) error {
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return err
	}
	if h.Skippable || !h.SingleSegment || !h.HasFCS || h.HasCheckSum || h.DictionaryID != dict {
		return errors.New("frame of another kind than are written here")
	}
	if h.FrameContentSize != uint64(n) {
		return fmt.Errorf("frame for %d bytes, want %d", h.FrameContentSize, n)
	}
	const rle = 1
	for rest := b[h.HeaderSize:]; len(rest) >= 3; {
		head := int(rest[0]) | int(rest[1])<<8 | int(rest[2])<<16
		last, kind, size := head&1 == 1, head>>1&3, head>>3
		if kind == rle {
			size = 1
		}
		if rest = rest[3:]; size > len(rest) {
			break
		}
		if rest = rest[size:]; last {
			if len(rest) > 0 {
				return fmt.Errorf("%d bytes behind the frame", len(rest))
			}
			return nil
		}
	}
	return errors.New("frame cut short")
}
