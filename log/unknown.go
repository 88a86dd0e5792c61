package log

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// marshalOver returns a struct as JSON, to be stored in the place of stored, which may be
// nil. Members of stored that the struct does not have, since a newer flowlog added them,
// are kept behind the others.
func marshalOver(stored []byte, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil || stored == nil {
		return data, err
	}
	var unknown map[string]json.RawMessage
	if err := json.Unmarshal(stored, &unknown); err != nil {
		return nil, err
	}
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		delete(unknown, name)
	}
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		if data = data[:len(data)-1]; len(data) > 1 {
			data = append(data, ',')
		}
		data = fmt.Appendf(data, "%s:%s}", quoted, unknown[name])
	}
	return data, nil
}
