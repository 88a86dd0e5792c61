package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
)

// kind is what keeps a store. As a scheme it may stand before the path of one.
type kind string

const (
	sqliteKind kind = "sqlite"
	boltKind   kind = "bolt"
)

func kinds() []kind { return []kind{sqliteKind, boltKind} }

// name is what people call the kind.
func (k kind) name() string {
	if k == boltKind {
		return "bbolt"
	}
	return "SQLite"
}

// String, Set and Type make kind a flag.
func (k *kind) String() string { return string(*k) }

func (k *kind) Set(s string) error {
	if !slices.Contains(kinds(), kind(s)) {
		return fmt.Errorf("it is sqlite or bolt")
	}
	*k = kind(s)
	return nil
}

func (k *kind) Type() string { return "backend" }

// kindOf returns what kind of file one is, going by its bytes, and whether it is a
// flowlog store; the empty kind if it is of none.
//
// It opens the file for a moment and takes no lock. The command does that only
// before it opens a store: closing a SQLite file takes away the locks that the
// process has on it.
func kindOf(path string) (k kind, ours bool, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", false, err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	var header [sqliteHeader]byte
	if _, err := f.ReadAt(header[:], 0); err == nil && string(header[:len(sqliteMagic)]) == sqliteMagic {
		return sqliteKind, isOurSQLite(header, path), nil
	}
	if isBolt(f) {
		return boltKind, isOurBolt(f), nil
	}
	return "", false, nil
}

// How a SQLite file begins (https://www.sqlite.org/fileformat.html).
const (
	sqliteMagic   = "SQLite format 3\x00"
	appIDOffset   = 68
	sqliteHeader  = 100
	applicationID = 0x666c6f67
)

func isOurSQLite(header [sqliteHeader]byte, path string) bool {
	switch binary.BigEndian.Uint32(header[appIDOffset:]) {
	case applicationID:
		return true
	case 0:
		return isOurWAL(path + "-wal")
	}
	return false
}

// The write-ahead log: a header, then frames of a header and a page each.
const (
	walHeader   = 32
	walPageSize = 8
	frameHeader = 24
)

// isOurWAL reports whether a write-ahead log makes its database a flowlog store: the
// pages of one that was made a moment ago, or whose program was killed, are not in
// the database itself yet.
func isOurWAL(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var header [walHeader]byte
	if _, err := io.ReadFull(f, header[:]); err != nil {
		return false
	}
	size := int64(binary.BigEndian.Uint32(header[walPageSize:]))
	if size < 512 || size > 64<<10 {
		return false
	}
	var frame [frameHeader + sqliteHeader]byte
	for at := int64(walHeader); ; at += frameHeader + size {
		if _, err := f.ReadAt(frame[:], at); err != nil {
			return false
		}
		firstPage := binary.BigEndian.Uint32(frame[:]) == 1
		if firstPage && binary.BigEndian.Uint32(frame[frameHeader+appIDOffset:]) == applicationID {
			return true
		}
	}
}

// A bbolt file begins with two meta pages, written in turns; the valid one with the
// larger txid is in force. It says where the page of the root bucket is:
//
//	 0        16       20       24       28      32    40      64    72
//	+--------+--------+--------+--------+-------+-----+-------+-----+----------+
//	| page   | magic  | version| page   | flags | root| …     | txid| FNV-1a of|
//	| header |        |        | size   |       | page|       |     | 16 to 72 |
//	+--------+--------+--------+--------+-------+-----+-------+-----+----------+
//
// In a flowlog store that page holds what says so: the bucket is small, and lies
// within it.
const (
	boltMetaSize = 80
	boltMagic    = 0xED0CDAED
	boltMinPage  = 1 << 10
	boltMaxPage  = 64 << 10
	ourBoltMagic = "flowlog/bolt\x00"
)

// boltMeta is what of a meta page is needed here.
type boltMeta struct{ pageSize, root, txid uint64 }

// isBolt reports whether there is a meta page where one may be.
func isBolt(f io.ReaderAt) bool {
	var page [boltMetaSize]byte
	for size := int64(boltMinPage); size <= boltMaxPage; size *= 2 {
		for _, at := range []int64{0, size} {
			if _, err := f.ReadAt(page[:], at); err == nil && binary.NativeEndian.Uint32(page[16:]) == boltMagic {
				return true
			}
		}
	}
	return false
}

// isOurBolt looks into the root page. Who writes meanwhile may put something else
// there, and says so in the meta page.
func isOurBolt(f io.ReaderAt) bool {
	for m, tries := newestMeta(f), 0; m.pageSize > 0 && tries < 10; tries++ {
		page := make([]byte, m.pageSize)
		_, err := f.ReadAt(page, int64(m.root*m.pageSize))
		if err == nil && bytes.Contains(page, []byte(ourBoltMagic)) {
			return true
		}
		before := m
		if m = newestMeta(f); m == before {
			return false
		}
	}
	return false
}

// newestMeta returns the meta page in force, without a page size if there is none.
func newestMeta(f io.ReaderAt) boltMeta {
	newest := boltMeta{}
	see := func(at int64) {
		var page [boltMetaSize]byte
		if _, err := f.ReadAt(page[:], at); err != nil {
			return
		}
		order, sum := binary.NativeEndian, fnv.New64a()
		sum.Write(page[16:72])
		m := boltMeta{uint64(order.Uint32(page[24:])), order.Uint64(page[32:]), order.Uint64(page[64:])}
		if order.Uint32(page[16:]) != boltMagic || sum.Sum64() != order.Uint64(page[72:]) {
			return
		}
		if m.pageSize >= boltMinPage && m.pageSize <= boltMaxPage && m.root < 1<<40 && (newest.pageSize == 0 || m.txid > newest.txid) {
			newest = m
		}
	}
	see(0)
	for size := int64(boltMinPage); size <= boltMaxPage; size *= 2 {
		see(size)
	}
	return newest
}
