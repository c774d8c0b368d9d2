package fakeinflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decodeObject decodes one JSON object. Numbers become [json.Number].
func decodeObject(r io.Reader) (map[string]any, error) {
	decoder := json.NewDecoder(r)
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if object == nil {
		return nil, errors.New("not a JSON object but null")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON object")
	}
	return object, nil
}

// fieldText returns the text in a field, or "" if the field holds no text.
func fieldText(document map[string]any, field string) string {
	text, _ := document[field].(string)
	return text
}

func cloneObject(object map[string]any) map[string]any {
	if object == nil {
		return map[string]any{}
	}
	clone, _ := cloneValue(object).(map[string]any)
	return clone
}

func cloneValue(value any) any {
	return copyOf(value, func(to reference) any { return to })
}

// equal reports whether two documents, or parts of documents, are equal.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for field, inside := range a {
			other, present := b[field]
			if !present || !equal(inside, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case nil, bool, string, json.Number, reference, int, int64, float64:
		return a == b
	default:
		return reflect.DeepEqual(a, b) // a type that can only come from Go code
	}
}

// copyOf returns a deep copy of a value. It replaces references with the results of resolve.
func copyOf(value any, resolve func(reference) any) any {
	switch value := value.(type) {
	case map[string]any:
		object := make(map[string]any, len(value))
		for field, inside := range value {
			object[field] = copyOf(inside, resolve)
		}
		return object
	case []any:
		list := make([]any, len(value))
		for i, inside := range value {
			list[i] = copyOf(inside, resolve)
		}
		return list
	case reference:
		return resolve(value)
	default:
		return value
	}
}

// setField sets the field of a document at a path such as lines.0.subTotal.
func setField(document map[string]any, path string, value any) error {
	var at any = document
	names := strings.Split(path, ".")
	for i, name := range names {
		last := i == len(names)-1
		switch inside := at.(type) {
		case map[string]any:
			if last {
				inside[name] = value
				return nil
			}
			at = inside[name]
		case []any:
			index, err := strconv.Atoi(name)
			if err != nil || index < 0 || index >= len(inside) {
				return fmt.Errorf("%s: the list has no entry %q, only %d entries counted from 0",
					path, name, len(inside))
			}
			if last {
				inside[index] = value
				return nil
			}
			at = inside[index]
		default:
			return fmt.Errorf("%s: %s is neither an object nor a list",
				path, strings.Join(names[:i], "."))
		}
	}
	return nil
}

// getField returns the value at a path; see [setField]. ok is false if there is none.
func getField(document map[string]any, path string) (value any, ok bool) {
	value = document
	for name := range strings.SplitSeq(path, ".") {
		switch inside := value.(type) {
		case map[string]any:
			if value, ok = inside[name]; !ok {
				return nil, false
			}
		case []any:
			index, err := strconv.Atoi(name)
			if err != nil || index < 0 || index >= len(inside) {
				return nil, false
			}
			value = inside[index]
		default:
			return nil, false
		}
	}
	return value, true
}
