package fakeinflow

import (
	"bytes"
	_ "embed"
	"fmt"
	"sync"

	"github.com/google/uuid"
)

//go:embed blank.json
var blankJSON []byte

// blanks returns the defaults of a sales order and of its lines. Documents share them, because
// documents never change in place.
var blanks = sync.OnceValues(func() (blank struct{ order, line map[string]any }, err error) {
	read, err := decodeObject(bytes.NewReader(blankJSON))
	if err != nil {
		return blank, fmt.Errorf("blank.json: %w", err)
	}
	blank.order, _ = read["order"].(map[string]any)
	blank.line, _ = read["line"].(map[string]any)
	return blank, nil
})

// fillIn sets the absent fields of an order and its lines to their defaults, as InFlow does when it
// inserts an order.
func fillIn(document map[string]any) error {
	blank, err := blanks()
	if err != nil {
		return err
	}
	addAbsent(document, blank.order)
	lines, _ := document["lines"].([]any)
	for _, entry := range lines {
		if line, ok := entry.(map[string]any); ok {
			addAbsent(line, blank.line)
			if line["salesOrderLineId"] == nil {
				line["salesOrderLineId"] = uuid.NewString()
			}
		}
	}
	return nil
}

func addAbsent(object, defaults map[string]any) {
	for field, value := range defaults {
		if _, present := object[field]; !present {
			object[field] = value
		}
	}
}
