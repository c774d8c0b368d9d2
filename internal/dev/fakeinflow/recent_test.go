package fakeinflow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecentSamplesKeepTheirDistances(t *testing.T) {
	now := time.Date(2027, 3, 1, 8, 30, 0, 0, time.UTC)
	before := samples(t)
	for i, sample := range samples(t) {
		was, is := typed(t, before[i].Order), typed(t, sample.Recent(now).Order)
		shift := is.OrderDate.Sub(was.OrderDate.Time)
		assert.Zero(t, shift%(24*time.Hour), sample.Name)
		assert.Equal(t, was.OrderDate.Add(shift), is.OrderDate.Time)
		last := is.OrderDate.Time
		for _, at := range []time.Time{is.InvoicedDate.Time} {
			if at.After(last) {
				last = at
			}
		}
		for j := range is.PaymentLines {
			assert.Equal(t, was.PaymentLines[j].DatePaid.Add(shift), is.PaymentLines[j].DatePaid.Time,
				sample.Name)
			if paid := is.PaymentLines[j].DatePaid.Time; paid.After(last) {
				last = paid
			}
		}
		for j := range is.Lines {
			if returned := is.Lines[j].ReturnDate.Time; returned.After(last) {
				last = returned
			}
		}
		if !was.DueDate.IsZero() {
			assert.Equal(t, was.DueDate.Add(shift), is.DueDate.Time, sample.Name)
		}
		assert.Equal(t, "2027-02-28", last.Format(time.DateOnly), sample.Name)
	}
	require.Equal(t, before[0].Order["orderDate"], samples(t)[0].Order["orderDate"],
		"the samples themselves do not change")
}
