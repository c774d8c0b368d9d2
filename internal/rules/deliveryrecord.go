package rules

import (
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/table"
)

// deliveryWords are the words of a delivery record that the check of the freight knows.
type deliveryWords struct {
	inTown, outOfTown string
	// other are areas where no amount is due.
	other []string
}

// handlingWords are what people and spreadsheet programs write for yes and no.
var handlingWords = map[string]bool{
	"YES": true, "Y": true, "TRUE": true,
	"NO": false, "N": false, "FALSE": false,
}

// sameWord compares words without regard to case, Unicode form and white space.
func sameWord(a, b string) bool { return fold.Key(a) == fold.Key(b) }

// check returns the first thing in a row of the record that the check cannot take as it
// is. An unknown word would switch the check off.
func (w deliveryWords) check(record table.Record, area, handling, quote string) error {
	where := record.Text(area)
	inTown, outOfTown := sameWord(where, w.inTown), sameWord(where, w.outOfTown)
	if !inTown && !outOfTown && !slices.ContainsFunc(w.other, func(other string) bool { return sameWord(where, other) }) {
		return record.Fault(area, fmt.Sprintf("unknown area: write %s, or add it to otherAreas if no amount is due there",
			strings.Join(append([]string{w.inTown, w.outOfTown}, w.other...), ", ")))
	}
	word := record.Text(handling)
	if _, known := handlingWords[fold.Key(word)]; !known && (inTown || word != "") {
		return record.Fault(handling, "unknown word: write Yes or No")
	}
	if record.Text(quote) != "" || outOfTown {
		_, err := record.Amount(quote)
		return err
	}
	return nil
}
