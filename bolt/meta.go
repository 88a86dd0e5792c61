package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// meta is a meta page of bbolt. A file begins with two, written in turns; the valid one
// with the larger txid is in force.
//
//	 0        16       20       24       28      32    40        48        56    64    72
//	+--------+--------+--------+--------+-------+-----+---------+---------+-----+-----+----------+
//	| page   | magic  | version| page   | flags | root page and | freelist| high| txid| FNV-1a of|
//	| header |        |        | size   |       | sequence      | page    | mark|     | 16 to 72 |
//	+--------+--------+--------+--------+-------+-----+---------+---------+-----+-----+----------+
//
// All are in the byte order of the machine. This package reads them before bbolt does,
// because bbolt trusts their numbers and would change a file that is not ours. It also
// reads them after a failed write of bbolt's, to see whether they were written.
type meta struct {
	pageSize uint32
	freelist uint64
	high     uint64 // pages from this one on are unused
	txid     uint64
}

const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSize    = 80
	noFreelist  = 1<<64 - 1
)

var (
	errNotBolt = errors.New("not a bbolt file")
	errMeta    = errors.New("the meta page doesn't match its checksum")
)

// parseMeta reads a meta page.
func parseMeta(page []byte) (meta, error) {
	order := binary.NativeEndian
	if len(page) < metaSize || order.Uint32(page[16:]) != metaMagic {
		return meta{}, errNotBolt
	}
	sum := fnv.New64a()
	sum.Write(page[16:72])
	m := meta{pageSize: order.Uint32(page[24:]), freelist: order.Uint64(page[48:]), high: order.Uint64(page[56:]), txid: order.Uint64(page[64:])}
	if order.Uint32(page[20:]) != metaVersion || sum.Sum64() != order.Uint64(page[72:]) || m.pageSize < metaSize {
		return meta{}, errMeta
	}
	return m, nil
}

// readMeta returns the meta page of a file that is in force, and in spoiled what is wrong
// with the other one.
func readMeta(f io.ReaderAt) (m meta, spoiled, err error) {
	page := make([]byte, metaSize)
	at := func(off int64) (meta, error) {
		if _, err := f.ReadAt(page, off); err != nil {
			return meta{}, errNotBolt
		}
		return parseMeta(page)
	}
	first, err := at(0)
	spoiled = err
	sizes := []int64{int64(first.pageSize)}
	if err != nil { // then the place of the second is unknown
		sizes = sizes[:0]
		for size := int64(1024); size <= 64<<10; size *= 2 {
			sizes = append(sizes, size)
		}
	}
	for _, size := range sizes {
		second, err2 := at(size)
		switch {
		case err2 == nil && (err != nil || second.txid > first.txid):
			return second, spoiled, nil
		case err == nil:
			spoiled = err2
		case !errors.Is(err2, errNotBolt):
			err = err2
		}
	}
	return first, spoiled, err
}

// lost says what may be missing of a file of which a meta page is damaged. bbolt uses the
// other, which may be that of the commit before. Power that fails while a meta page is
// written leaves it as it was: it is within one sector.
func lost(f *os.File, path string) error {
	_, spoiled, err := readMeta(f)
	if err != nil {
		spoiled = err
	}
	if spoiled == nil {
		return nil
	}
	what := spoiled.Error()
	if errors.Is(spoiled, errNotBolt) {
		what = "its magic number is wrong, or it can't be read"
	}
	return fmt.Errorf("%s: %w: one of its two meta pages is damaged (%s), so the last commit may be missing; before you save anything, check that the newest events are the ones that you expect", path, driver.ErrCorrupt, what)
}

// peek refuses a file that bbolt would refuse, and a file that is not ours but that bbolt
// would change.
func peek(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil
	}
	m, _, err := readMeta(f)
	if errors.Is(err, errNotBolt) {
		return fmt.Errorf("%w file %s: it is not a bbolt database but %s; it was not changed; give flowlog a path of its own", driver.ErrInvalid, path, sniff(f))
	}
	if err != nil {
		return fmt.Errorf("%s: %w: neither of the two meta pages matches its checksum", path, driver.ErrCorrupt)
	}
	if m.freelist == noFreelist { // ours always have one
		return fmt.Errorf("%w file %s: it is another program's bbolt database and was not changed; give flowlog a path of its own", driver.ErrInvalid, path)
	}
	if info, err = f.Stat(); err != nil { // another process may have made it grow
		return err
	}
	if want := m.high * uint64(m.pageSize); uint64(info.Size()) < want || m.high > 1<<48 {
		return fmt.Errorf("%s: %w: the file was cut off: it has %d bytes, must have %d", path, driver.ErrCorrupt, info.Size(), want)
	}
	return nil
}

// sniff says what a file looks like.
func sniff(f io.ReaderAt) string {
	buf := make([]byte, 512)
	n, _ := f.ReadAt(buf, 0)
	if strings.HasPrefix(string(buf[:n]), "SQLite format 3\x00") {
		return "a SQLite database"
	}
	return http.DetectContentType(buf[:n])
}
