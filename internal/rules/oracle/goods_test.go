package oracle

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

func (v *verdict) lines() {
	o := v.o
	negative, free := false, strings.TrimSpace(o.OrderRemarks) != ""
	type key struct{ product, text, unit, price, discount, direction string }
	seen := map[key]int{}
	repeated := map[string]bool{}
	picked := map[string]bool{}
	for _, p := range o.PickLines {
		picked[p.ProductID] = true
	}
	gone := map[string]bool{}
	for i, l := range o.Lines {
		negative = negative || l.SubTotal.rat().Sign() < 0
		free = free && l.SubTotal.rat().Sign() == 0
		if l.qty().Sign() == 0 {
			v.onLine("quantity-zero", i+1, "")
		}
		if l.qty().Sign() < 0 && !l.isService() {
			why := strings.TrimSpace(o.ReturnRemarks+o.OrderRemarks+o.CustomFields["custom1"]) != ""
			if !why || l.ReturnDate.IsZero() {
				v.out = append(v.out, found{"return-details", i + 1, "", why})
			}
		}
		if l.qty().Sign() != 0 && !l.isService() {
			k := key{
				l.ProductID,
				strings.ToUpper(strings.TrimSpace(l.Description)),
				strings.ToLower(l.Quantity.Uom),
				plain(l.UnitPrice.rat()),
				"",
				strconv.Itoa(l.qty().Sign()),
			}
			if l.Discount != nil && l.Discount.Value.rat().Sign() != 0 {
				k.discount = plain(l.Discount.Value.rat()) + strconv.FormatBool(l.Discount.IsPercent)
			}
			if seen[k]++; seen[k] == 2 && !repeated[k.product+k.direction] {
				repeated[k.product+k.direction] = true
				v.onOrder("repeated-product", "")
			}
		}
		if !l.Product.IsActive && o.InventoryStatus != "Fulfilled" && !o.IsCompleted &&
			l.qty().Sign() >= 0 &&
			!picked[l.ProductID] &&
			!gone[l.ProductID] {
			gone[l.ProductID] = true
			v.onOrder("inactive", "")
		}
	}
	if o.Customer != nil && !o.Customer.IsActive && o.InventoryStatus != "Fulfilled" &&
		!o.IsCompleted {
		v.onOrder("inactive", "")
	}
	if o.Total.rat().Sign() == 0 && len(o.Lines) > 0 && !negative && !free {
		v.onOrder("zero-total", "")
	}
}

func (v *verdict) goods() {
	o := v.o
	done := o.InventoryStatus == "Fulfilled"
	ordered, picked, packed := map[string]*big.Rat{}, map[string]*big.Rat{}, map[string]*big.Rat{}
	products := map[string]*product{}
	put := func(m map[string]*big.Rat, id string, q *big.Rat) {
		if m[id] == nil {
			m[id] = new(big.Rat)
		}
		m[id].Add(m[id], q)
	}
	of := func(m map[string]*big.Rat, id string) *big.Rat {
		if m[id] == nil {
			return new(big.Rat)
		}
		return m[id]
	}
	onOrder := map[string]bool{}
	for i, l := range o.Lines {
		onOrder[l.ProductID] = true
		if l.qty().Sign() > 0 && !l.isService() {
			put(ordered, l.ProductID, l.Quantity.StandardQuantity.rat())
			products[l.ProductID] = l.Product
		}
		whole := slices.Contains([]string{"ea.", "box", "set", "pair"}, l.Quantity.Uom)
		if whole && !l.isService() && !l.qty().IsInt() {
			v.onLine("odd-quantity", i+1, "")
		}
	}
	numbersOnPicks := map[string]map[string]bool{}
	for _, p := range o.PickLines {
		put(picked, p.ProductID, p.Quantity.StandardQuantity.rat())
		for _, s := range p.Quantity.SerialNumbers {
			if numbersOnPicks[p.ProductID] == nil {
				numbersOnPicks[p.ProductID] = map[string]bool{}
			}
			numbersOnPicks[p.ProductID][s] = true
		}
	}
	for _, p := range o.PackLines {
		put(packed, p.ProductID, p.Quantity.StandardQuantity.rat())
	}
	for id, want := range ordered {
		have, boxed := of(picked, id), of(packed, id)
		switch {
		case have.Cmp(want) > 0, done && len(o.PickLines) > 0 && have.Cmp(want) < 0:
			v.onOrder("picked-quantity", plain(want))
		case done && len(o.PackLines) > 0 && boxed.Cmp(have) != 0:
			v.onOrder("picked-quantity", plain(have))
		}
		p := products[id]
		needed, stock := sub(want, have), p.TotalQuantityOnHand.rat()
		near := o.RequestedShipDate.IsZero() || now.days(o.RequestedShipDate) <= 14
		if p.ItemType == "StockedProduct" && !done && !o.IsCompleted && !o.IsQuote && near &&
			needed.Sign() > 0 &&
			stock.Sign() > 0 &&
			stock.Cmp(needed) < 0 {
			v.onOrder("stock", plain(needed))
		}
	}
	for id, have := range picked {
		if !onOrder[id] && have.Sign() > 0 {
			v.onOrder("picked-quantity", "0")
		}
	}
	v.serials(done, picked, numbersOnPicks)
}

func (v *verdict) serials(
	done bool, picked map[string]*big.Rat, onPicks map[string]map[string]bool,
) {
	uses, remaining := map[string]int{}, map[string]*big.Rat{}
	use := func(l *line, s string) string {
		return l.ProductID + "|" + s + "|" + strconv.FormatBool(l.qty().Sign() < 0)
	}
	for _, l := range v.o.Lines {
		for _, s := range l.Quantity.SerialNumbers {
			uses[use(l, s)]++
		}
		if len(l.Quantity.SerialNumbers) == 0 && l.qty().Sign() > 0 {
			if remaining[l.ProductID] == nil {
				remaining[l.ProductID] = new(big.Rat)
			}
			remaining[l.ProductID].Add(remaining[l.ProductID], l.Quantity.StandardQuantity.rat())
		}
	}
	for i, l := range v.o.Lines {
		pieces := abs(l.Quantity.StandardQuantity.rat())
		if len(l.Quantity.SerialNumbers) > 0 {
			different, twice := map[string]bool{}, false
			for _, s := range l.Quantity.SerialNumbers {
				different[s] = true
				twice = twice || uses[use(l, s)] > 1
			}
			off := integer(len(different)).Cmp(pieces)
			inPart := !done && l.qty().Sign() > 0 && picked[l.ProductID] != nil
			if twice || off > 0 || off < 0 && !inPart {
				v.onLine("serial-numbers", i+1, plain(pieces))
			}
			continue
		}
		if !done || !l.Product.TrackSerials || l.qty().Sign() <= 0 {
			continue
		}
		want := pieces
		if len(onPicks[l.ProductID]) > 0 {
			want = remaining[l.ProductID]
		}
		if integer(len(onPicks[l.ProductID])).Cmp(want) < 0 {
			v.onLine("serial-numbers", i+1, plain(want))
		}
	}
}
