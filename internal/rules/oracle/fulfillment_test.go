package oracle

import (
	"math/big"
	"slices"
	"strconv"
)

func (v *verdict) dates() {
	o := v.o
	if o.IsQuote && !o.OrderDate.IsZero() && o.OrderDate.days(now) > 90 {
		v.onOrder("old-quote", "90")
	}
	if !o.OrderDate.IsZero() && !o.RequestedShipDate.IsZero() &&
		o.OrderDate.days(o.RequestedShipDate) < 0 {
		v.onOrder("ship-before-order", "")
	}
	if !o.DueDate.IsZero() && !o.InvoicedDate.IsZero() && o.PaymentTerms != nil {
		if off := o.InvoicedDate.days(o.DueDate) - o.PaymentTerms.DaysDue; off > 1 || off < -1 {
			v.onOrder("due-date", strconv.Itoa(o.PaymentTerms.DaysDue))
		}
	}
	if !o.IsQuote && !o.DueDate.IsZero() && o.Balance.rat().Sign() > 0 && o.DueDate.days(now) > 7 {
		v.onOrder("overdue", "")
	}
}

func (v *verdict) payments() {
	o := v.o
	negative := slices.ContainsFunc(o.Lines, func(l *line) bool { return l.SubTotal.rat().Sign() < 0 })
	cent := big.NewRat(1, 100)
	switch {
	case o.Balance.rat().Cmp(neg(cent)) < 0 && o.Total.rat().Sign() >= 0 &&
		o.AmountPaid.rat().Sign() > 0:
		v.out = append(v.out, found{"paid-with-balance", 0, "0.00", negative})
	case o.PaymentStatus == "Paid" && o.Balance.rat().Cmp(cent) > 0:
		v.out = append(v.out, found{"paid-with-balance", 0, "0.00", false})
	}
	rate := o.ExchangeRate
	pulled := o.ExchangeRateAutoPulled
	switch {
	case rate.rat().Sign() <= 0:
		v.out = append(v.out, found{"exchange-rate", 0, "", rate.isNull()})
	case rate.rat().Cmp(integer(1)) != 0 && !pulled.IsZero() && !o.OrderDate.IsZero() &&
		pulled.days(o.OrderDate) > 30:
		v.onOrder("exchange-rate", "")
	}
}

func (v *verdict) fulfillment() {
	o := v.o
	if o.InventoryStatus == "Fulfilled" && !o.IsInvoiced && o.Total.rat().Sign() > 0 &&
		!o.OrderDate.IsZero() {
		last := []date{o.OrderDate, o.RequestedShipDate}
		for _, s := range o.ShipLines {
			last = append(last, s.ShippedDate)
		}
		for _, p := range o.PickLines {
			last = append(last, p.PickDate)
		}
		if !slices.ContainsFunc(last, func(d date) bool { return !d.IsZero() && d.days(now) <= 7 }) {
			v.onOrder("fulfilled-not-invoiced", "")
		}
	}
	unconfirmed := o.NeedsConfirmation && o.ConfirmerTeamMemberID == "" && !o.IsQuote ||
		o.InventoryStatus == "Unconfirmed"
	if unconfirmed && len(o.PickLines) > 0 {
		v.onOrder("unconfirmed-picked", "")
	}
}
