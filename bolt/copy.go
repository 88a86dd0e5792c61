package bolt

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/flowlog/checkpoint/driver"
)

// copier copies all buckets of a file into an empty one, in their order, in
// transactions of a bounded size.
type copier struct {
	ctx         context.Context
	closing     *atomic.Bool // Close of the old file waits for the copy
	to          *handle
	done, total int64
	progress    func(driver.Reclaimed)

	// next is where the copy continues: the keys that lead to a bucket, and one in it. It
	// is empty at the beginning. During the copy it has the keys that lead to the current
	// place.
	next [][]byte
	size int64 // copied in this transaction
}

// copy copies all that a transaction sees.
func (c *copier) copy(from *transaction) error {
	for more := true; more; {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if c.closing.Load() {
			return driver.ErrClosed
		}
		c.size = 0
		_, err := c.to.update(func(to *transaction) (err error) {
			more, err = c.bucket(level{from.Cursor(), from.Bucket, to.Bucket, to.CreateBucket, nil}, 0)
			return err
		})
		if neverWritten(err) {
			return corrupt("", 0, err.Error())
		}
		if err != nil {
			return err
		}
		c.done += c.size
		if c.progress != nil {
			c.progress(driver.Reclaimed{Done: min(c.done, c.total), Total: c.total})
		}
	}
	return nil
}

// neverWritten reports whether bbolt refuses to write data that it has read. Such data
// was never written in this form.
func neverWritten(err error) bool {
	return errors.Is(err, bolterrors.ErrKeyTooLarge) || errors.Is(err, bolterrors.ErrValueTooLarge) ||
		errors.Is(err, bolterrors.ErrKeyRequired) || errors.Is(err, bolterrors.ErrBucketNameRequired) || errors.Is(err, bolterrors.ErrIncompatibleValue)
}

// level is a bucket that is copied, or the one of all buckets.
type level struct {
	cursor *cursor
	from   func(name []byte) *tree
	to     func(name []byte) *tree
	create func(name []byte) (*tree, error)
	put    func(k, v []byte) error
}

// bucket copies a bucket, from where the copy continues, and reports whether more is left
// when the transaction is full.
func (c *copier) bucket(l level, depth int) (more bool, err error) {
	k, v := l.cursor.First()
	resumed := depth < len(c.next)
	if resumed {
		if k, v = l.cursor.Seek(c.next[depth]); !bytes.Equal(k, c.next[depth]) {
			return false, corrupt("", 0, outOfOrder)
		}
	}
	// In a page whose keys are not in order bbolt finds keys that no walk reaches, and the
	// other way round. A copy would lose them; the cursor panics there.
	for ; k != nil; k, v = l.cursor.Next() {
		if c.size >= copyBytes {
			c.next = append(c.next[:depth:depth], bytes.Clone(k))
			return true, nil
		}
		c.size += int64(len(k) + len(v))
		if v != nil {
			err = l.put(k, v)
		} else {
			if !resumed { // else the path leads further, to where it was
				c.next = append(c.next[:depth:depth], bytes.Clone(k))
			}
			more, err = c.nested(l, k, depth)
		}
		if err != nil || more {
			return more, err
		}
		resumed, c.next = false, c.next[:depth]
	}
	return false, nil
}

const outOfOrder = "the keys of a page are out of order"

// nested copies a bucket that is in another.
func (c *copier) nested(l level, k []byte, depth int) (more bool, err error) {
	from, to := l.from(k), l.to(k)
	if from == nil {
		return false, corrupt("", 0, "a bucket that is listed can't be found")
	}
	if to == nil {
		if to, err = l.create(k); err != nil {
			return false, err
		}
	}
	to.fill(1) // they come in order
	return c.bucket(level{from.Cursor(), from.Bucket, to.Bucket, to.CreateBucket, to.Put}, depth+1)
}
