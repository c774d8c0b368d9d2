package fakeinflow

import (
	"embed"
	"fmt"
)

//go:embed samples/*.json
var sampleFiles embed.FS

// Sample is a sales order that ships with the stand-in: an order of a cabinet dealer, of 2025.
type Sample struct {
	Name string
	// Fault describes the order's only fault. It is empty if the order is right.
	Fault string
	Order map[string]any
}

// sampleFaults has the samples in the order of their numbers, with their faults.
var sampleFaults = [...]struct{ file, fault string }{
	{"01-plain", ""},
	{"02-percent-discount", ""},
	{"03-fixed-discount", ""},
	{"04-compound-tax", ""},
	{"05-return", ""},
	{"06-quote", ""},
	{"07-tax-inclusive", ""},
	{"08-fully-paid", ""},
	{"09-assembly-and-discount-line", ""},
	{"10-card-surcharge", ""},
	{"11-line-subtotal-wrong", "line 1: 5 × 189.00 is 945.00, and its subtotal says 845.00"},
	{"12-order-subtotal-wrong", "the lines add up to 1198.80, and the order's subtotal says 1098.80"},
	{"13-total-wrong", "subtotal, freight and taxes add up to 1720.03, and the total says 1765.53"},
	{"14-balance-wrong", "983.94 less 300.00 paid is 683.94, and the balance says 383.94"},
	{"15-no-customer", "it has no customer"},
	{"16-no-lines", "it has no lines"},
	{"17-quantity-zero", "line 2 has quantity 0"},
}

// Samples returns new copies of the sample orders: ten that are right, then seven with one fault
// each. Their ids and numbers are always the same.
func Samples() ([]Sample, error) {
	samples := make([]Sample, 0, len(sampleFaults))
	for _, entry := range sampleFaults {
		file, err := sampleFiles.Open("samples/" + entry.file + ".json")
		if err != nil {
			return nil, fmt.Errorf("fake InFlow: sample order: %w", err)
		}
		document, err := decodeObject(file)
		if err != nil {
			return nil, fmt.Errorf("fake InFlow: sample order %s: %w", entry.file, err)
		}
		name := entry.file[len("00-"):]
		samples = append(samples, Sample{Name: name, Fault: entry.fault, Order: document})
	}
	return samples, nil
}
