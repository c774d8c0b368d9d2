package ordercheck

import (
	"time"

	"github.com/govalues/decimal"
)

// Lookups holds the data that rules may need beyond the order itself. A part that is nil was not
// looked up, and rules that need it are skipped.
type Lookups struct {
	// RecentOrders are the latest orders of the order's customer.
	RecentOrders *RecentOrders `json:"recentOrders,omitempty"`
	// Billed is the order as the gate first saw it invoiced.
	Billed *Billed `json:"billed,omitempty"`
	// Failed lists the look-ups that failed.
	Failed []string `json:"failed,omitempty"`
}

// Names of look-ups. Rules name what they need by these and by names of includes.
const (
	LookupRecentOrders = "recentOrders"
	LookupBilled       = "billed"
)

// Names of includes that a check needs besides its rules.
const (
	IncludeCustomer = "customer"
	IncludeLines    = "lines"
	IncludeSalesRep = "salesRepTeamMember"
)

// RecentOrders are the latest orders of a customer, reduced to the data that rules need.
type RecentOrders struct {
	Orders []RecentOrder `json:"orders"`
}

// maxRecentSize limits the result of [RecentOrders.Of], in bytes of JSON, because it shares a
// payload with the digest.
const maxRecentSize = 300 << 10

// Of returns the orders for a look-up: all except the order itself, with only the goods whose
// product it has too. If they are too large together, the last orders lose their goods.
func (r *RecentOrders) Of(in *LookUpOrdersInput) *RecentOrders {
	if r == nil {
		return nil
	}
	wanted := make(map[string]bool, len(in.ProductIDs))
	for _, id := range in.ProductIDs {
		wanted[id] = true
	}
	out := &RecentOrders{Orders: make([]RecentOrder, 0, len(r.Orders))}
	size := 0
	for _, o := range r.Orders {
		if o.SalesOrderID == in.SalesOrderID {
			continue
		}
		goods := o.Goods
		o.Goods, o.GoodsOmitted = nil, in.ProductsOmitted
		for _, g := range goods {
			if wanted[g.ProductID] {
				o.Goods = append(o.Goods, g)
			}
		}
		size += o.maxSize()
		out.Orders = append(out.Orders, o)
	}
	if size > maxRecentSize { // only then encode them, because that takes a while
		out.omitGoods()
	}
	return out
}

// omitGoods drops the goods of the last orders, so that the JSON is not too large.
func (r *RecentOrders) omitGoods() {
	remaining := maxRecentSize
	for i := range r.Orders {
		o := &r.Orders[i]
		if len(o.Goods) > 0 && jsonSize(o) > remaining {
			o.Goods, o.GoodsOmitted = nil, true
		}
		remaining -= jsonSize(o)
	}
}

// maxSize returns an upper bound of the size of the order's JSON, in bytes.
func (o *RecentOrder) maxSize() int {
	const (
		fields  = 256 // names, punctuation, the date and the numbers, of an order or of goods
		escaped = 6   // bytes of JSON for a byte of text
	)
	size := fields + escaped*(len(o.SalesOrderID)+len(o.OrderNumber)+len(o.PONumber))
	for i := range o.Goods {
		size += fields + escaped*(len(o.Goods[i].ProductID)+len(o.Goods[i].Uom))
	}
	return size
}

// RecentOrder is one of the [RecentOrders].
type RecentOrder struct {
	SalesOrderID string    `json:"salesOrderId"`
	OrderNumber  string    `json:"orderNumber"`
	OrderDate    time.Time `json:"orderDate,omitzero"`
	PONumber     string    `json:"poNumber,omitempty"`
	IsQuote      bool      `json:"isQuote,omitempty"`
	IsCancelled  bool      `json:"isCancelled,omitempty"`
	// Lines counts all lines of the order.
	Lines int `json:"lines"`
	// Goods are its lines; after [RecentOrders.Of] only lines with a product of the look-up.
	Goods []RecentGoods `json:"goods,omitempty"`
	// GoodsOmitted is true if such lines are missing.
	GoodsOmitted bool `json:"goodsOmitted,omitempty"`
}

// RecentGoods is a line of a [RecentOrder].
type RecentGoods struct {
	ProductID string          `json:"productId"`
	Quantity  decimal.Decimal `json:"quantity"` // in Uom
	Uom       string          `json:"uom,omitempty"`
	UnitPrice decimal.Decimal `json:"unitPrice"`
}

// Billed is the billed content of an invoiced order.
type Billed struct {
	OrderVersion string          `json:"orderVersion"`
	Total        decimal.Decimal `json:"total"`
	// Fingerprint changes with products, quantities, prices, discounts and charges.
	Fingerprint string `json:"fingerprint"`
	// Sold is a fingerprint without returns and taxes, which a return may change at any time.
	Sold string `json:"sold,omitempty"`
}
