package pages

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"error-check-gate/desk/orders"
)

// byteOrderMark makes Excel read a CSV file as UTF-8. Without it, "Küchen" becomes "KÃ¼chen".
const byteOrderMark = "\ufeff"

// writeCSV writes rows for a spreadsheet.
func (h *Handler) writeCSV(w http.ResponseWriter, rows []orders.Row) {
	today := h.now().In(h.location).Format(time.DateOnly)
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=orders-%s.csv", today))
	_, _ = w.Write([]byte(byteOrderMark))
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180
	_ = out.Write([]string{
		"order", "id", "customer", "sales rep", "status", "since", "errors", "rules", "first error",
		"next step", "next step at",
	})
	for i := range rows {
		row := &rows[i]
		next := ""
		if !row.NextAt.IsZero() {
			next = row.NextAt.In(h.location).Format(time.RFC3339)
		}
		_ = out.Write(cells(
			row.OrderNumber, row.SalesOrderID, row.Customer, row.SalesRep, string(row.Status),
			row.Since.In(h.location).Format(time.RFC3339), strconv.Itoa(row.Errors),
			strings.Join(row.FailedRules, " "), row.First, nextStep(row), next))
	}
	out.Flush() // fails if the reader is gone
}

// cells puts a ' before texts that a spreadsheet would run as a formula. Some spreadsheets skip
// blanks and invisible characters to find one.
func cells(texts ...string) []string {
	for i, text := range texts {
		visible := strings.TrimLeftFunc(text, func(r rune) bool {
			return !unicode.IsGraphic(r) || unicode.IsSpace(r)
		})
		isFormula := visible != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(visible)[0])
		startsWithControl := visible != text && text[0] < ' '
		if isFormula || startsWithControl {
			texts[i] = "'" + text
		}
	}
	return texts
}
