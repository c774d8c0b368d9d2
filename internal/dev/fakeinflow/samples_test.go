package fakeinflow_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

func samples(t *testing.T) []fakeinflow.Sample {
	t.Helper()
	samples, err := fakeinflow.Samples()
	require.NoError(t, err)
	return samples
}

func typed(t *testing.T, document map[string]any) inflow.SalesOrder {
	t.Helper()
	encoded, err := json.Marshal(document)
	require.NoError(t, err)
	var order inflow.SalesOrder
	require.NoError(t, json.Unmarshal(encoded, &order))
	return order
}

// within returns the value in a document at a path of field names and list indexes.
func within[T any](t *testing.T, document any, path ...any) T {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, ok := document.(map[string]any)
			require.True(t, ok, "no object at %q", step)
			document = object[step]
		case int:
			list, ok := document.([]any)
			require.True(t, ok && step < len(list), "no entry %d", step)
			document = list[step]
		}
	}
	value, ok := document.(T)
	require.True(t, ok, "%v is a %T", path, document)
	return value
}

// wholeOrder returns an order with the fields that the sample orders lack.
func wholeOrder(t *testing.T) map[string]any {
	t.Helper()
	const (
		id      = "5b1d0000-0000-4000-8000-0000000000aa"
		version = "0000000000300001"
	)
	order := samples(t)[9].Order
	line := within[map[string]any](t, order, "lines", 0)
	product := within[map[string]any](t, line, "product")
	productID := product["productId"]
	quantity := map[string]any{
		"standardQuantity": "1.0000", "uomQuantity": "1.0000", "uom": "ea.", "serialNumbers": []any{"S1"},
	}
	product["cost"] = map[string]any{"productCostId": "c1", "productId": productID, "cost": "11.50000"}
	product["prices"] = []any{map[string]any{
		"productPriceId": id, "productId": productID, "pricingSchemeId": id,
		"priceType": "FixedPrice", "unitPrice": "20.00000", "fixedMarkup": nil, "timestamp": version,
	}}
	product["inventoryLines"] = []any{map[string]any{
		"inventoryLineId": "i1", "productId": productID, "locationId": id, "sublocation": "",
		"serial": "", "quantityOnHand": "3.0000", "timestamp": version,
	}}
	product["totalQuantityOnHand"] = "3.0000"
	product["salesUom"] = map[string]any{
		"name": "box", "conversionRatio": map[string]any{"standardQuantity": "10", "uomQuantity": "1"},
	}
	order["pickLines"] = []any{map[string]any{
		"salesOrderPickLineId": id, "productId": productID, "quantity": quantity, "locationId": id,
		"sublocation": "A1", "pickDate": "2025-03-01T00:00:00+00:00", "timestamp": version,
	}}
	order["packLines"] = []any{map[string]any{
		"salesOrderPackLineId": id, "productId": productID, "quantity": quantity,
		"containerNumber": "1", "timestamp": version,
	}}
	order["shipLines"] = []any{map[string]any{
		"salesOrderShipLineId": id, "carrier": "UPS", "containers": []any{"1"},
		"trackingNumber": "1Z", "shippedDate": nil, "easyPostShipmentStatus": "Manual",
		"timestamp": version,
	}}
	return order
}

// arithmetic calculates with decimals, and fails the test after an error.
type arithmetic struct{ t *testing.T }

func (a arithmetic) of(d decimal.Decimal, err error) decimal.Decimal {
	a.t.Helper()
	require.NoError(a.t, err)
	return d
}

func (a arithmetic) sum(amounts ...decimal.Decimal) decimal.Decimal {
	a.t.Helper()
	return a.of(decimal.Sum(append(amounts, decimal.Zero)...))
}

func (a arithmetic) percent(d, rate decimal.Decimal) decimal.Decimal {
	a.t.Helper()
	return a.of(a.of(d.Mul(rate)).Quo(decimal.Hundred))
}

// lineSubTotals returns the right subtotals of a line. There are two if the discount is fixed,
// because it may be per unit or per line.
func (a arithmetic) lineSubTotals(line inflow.SalesOrderLine) []decimal.Decimal {
	quantity, price := line.Quantity.UomQuantity.Decimal, line.UnitPrice.Decimal
	gross := a.of(quantity.Mul(price))
	if line.Discount == nil {
		return []decimal.Decimal{gross.Round(2)}
	}
	discount := line.Discount.Value.Decimal
	if line.Discount.IsPercent {
		return []decimal.Decimal{a.of(gross.Sub(a.percent(gross, discount))).Round(2)}
	}
	return []decimal.Decimal{
		a.of(gross.Sub(a.of(discount.Mul(quantity)))).Round(2),
		a.of(gross.Sub(discount)).Round(2),
	}
}

// faults returns the names of the faults in an order: wrong amounts, and missing parts.
func (a arithmetic) faults(order inflow.SalesOrder) []string {
	a.t.Helper()
	var faults []string
	check := func(name string, want, got decimal.Decimal) {
		if !want.Equal(got) {
			faults = append(faults, name)
		}
	}
	subTotal, taxable1, taxable2 := decimal.Zero, decimal.Zero, decimal.Zero
	for _, line := range order.Lines {
		right := false
		for _, want := range a.lineSubTotals(line) {
			right = right || want.Equal(line.SubTotal.Decimal)
		}
		if !right {
			faults = append(faults, "line subtotal")
		}
		if line.Quantity.UomQuantity.Decimal.IsZero() {
			faults = append(faults, "quantity")
		}
		subTotal = a.sum(subTotal, line.SubTotal.Decimal)
		if line.Tax1Rate.Decimal.IsPos() {
			taxable1 = a.sum(taxable1, line.SubTotal.Decimal)
		}
		if line.Tax2Rate.Decimal.IsPos() {
			taxable2 = a.sum(taxable2, line.SubTotal.Decimal)
		}
	}
	check("subtotal", subTotal, order.SubTotal.Decimal)

	freight := order.OrderFreight.Decimal
	if order.Tax1OnShipping {
		taxable1 = a.sum(taxable1, freight)
	}
	tax1 := a.percent(taxable1, order.Tax1Rate.Decimal)
	if order.IsTaxInclusive {
		factor := a.sum(decimal.One, a.percent(decimal.One, order.Tax1Rate.Decimal))
		tax1 = a.of(taxable1.Sub(a.of(taxable1.Quo(factor))))
	}
	tax1 = tax1.Round(2)
	if order.Tax2OnShipping {
		taxable2 = a.sum(taxable2, freight)
	}
	if order.CalculateTax2OnTax1 {
		taxable2 = a.sum(taxable2, tax1)
	}
	tax2 := a.percent(taxable2, order.Tax2Rate.Decimal).Round(2)
	check("tax1", tax1, order.Tax1.Decimal)
	check("tax2", tax2, order.Tax2.Decimal)

	total := a.sum(order.SubTotal.Decimal, freight, order.ReturnFee.Decimal,
		order.ReturnFreight.Decimal.Neg())
	if !order.IsTaxInclusive {
		total = a.sum(total, tax1, tax2)
	}
	check("total", total, order.Total.Decimal)

	paid := decimal.Zero
	for _, payment := range order.PaymentLines {
		paid = a.sum(paid, payment.Amount.Decimal)
	}
	check("paid", paid, order.AmountPaid.Decimal)
	check("balance", a.of(order.Total.Decimal.Sub(order.AmountPaid.Decimal)), order.Balance.Decimal)

	if order.CustomerID == "" || order.Customer == nil {
		faults = append(faults, "customer")
	}
	if len(order.Lines) == 0 {
		faults = append(faults, "lines")
	}
	return faults
}

func TestSamplesHaveTheFaultsTheyName(t *testing.T) {
	want := map[string][]string{
		"line-subtotal-wrong":  {"line subtotal"},
		"order-subtotal-wrong": {"subtotal"},
		"total-wrong":          {"total"},
		"balance-wrong":        {"balance"},
		"no-customer":          {"customer"},
		"no-lines":             {"lines"},
		"quantity-zero":        {"quantity"},
	}
	faulty := 0
	for _, sample := range samples(t) {
		t.Run(sample.Name, func(t *testing.T) {
			assert.Equal(t, want[sample.Name], arithmetic{t}.faults(typed(t, sample.Order)))
			assert.Equal(t, want[sample.Name] == nil, sample.Fault == "", "its description")
		})
		if sample.Fault != "" {
			faulty++
		}
	}
	assert.Equal(t, len(want), faulty)
}

// TestSamplesCoverTheirCases checks that the samples without a fault cover every case.
func TestSamplesCoverTheirCases(t *testing.T) {
	covered := map[string]bool{}
	for _, sample := range samples(t) {
		order := typed(t, sample.Order)
		if sample.Fault != "" {
			continue
		}
		covered["quote"] = covered["quote"] || order.IsQuote
		covered["tax-inclusive"] = covered["tax-inclusive"] || order.IsTaxInclusive && order.Tax1.Decimal.IsPos()
		covered["compound tax, on shipping"] = covered["compound tax, on shipping"] ||
			order.CalculateTax2OnTax1 && order.Tax1OnShipping && order.Tax2OnShipping && order.Tax2.Decimal.IsPos() && order.OrderFreight.Decimal.IsPos()
		covered["fully paid"] = covered["fully paid"] || order.PaymentStatus == "Paid" && order.Balance.Decimal.IsZero() && order.AmountPaid.Decimal.IsPos()
		for _, line := range order.Lines {
			discounted := line.Discount != nil && line.Discount.Value.Decimal.IsPos()
			covered["percent discount"] = covered["percent discount"] || discounted && line.Discount.IsPercent
			covered["fixed discount"] = covered["fixed discount"] || discounted && !line.Discount.IsPercent
			covered["no discount at all"] = covered["no discount at all"] || line.Discount == nil
			covered["return"] = covered["return"] || line.Quantity.UomQuantity.Decimal.IsNeg() && !line.ReturnDate.IsZero()
			covered["another unit"] = covered["another unit"] || !line.Quantity.UomQuantity.Decimal.Equal(line.Quantity.StandardQuantity.Decimal)
		}
	}
	assert.Len(t, covered, 9)
	for name, is := range covered {
		assert.True(t, is, name)
	}
}

var (
	amountForm  = regexp.MustCompile(`^-?\d+\.\d+$`)
	versionForm = regexp.MustCompile(`^[0-9A-F]{16}$`)
)

func TestSamplesLookLikeInFlows(t *testing.T) {
	ids, numbers := map[string]bool{}, map[string]bool{}
	scales := map[int]bool{}
	for _, sample := range samples(t) {
		t.Run(sample.Name, func(t *testing.T) {
			order := typed(t, sample.Order)
			require.NoError(t, uuid.Validate(order.SalesOrderID))
			assert.False(t, ids[order.SalesOrderID] || numbers[order.OrderNumber], "taken by another sample")
			ids[order.SalesOrderID], numbers[order.OrderNumber] = true, true
			assert.Equal(t, 2025, order.OrderDate.Year())
			assert.Regexp(t, versionForm, order.Timestamp)
			for _, field := range []string{"subTotal", "total", "amountPaid", "balance", "tax1", "tax2", "exchangeRate"} {
				assert.Regexp(t, amountForm, sample.Order[field], field)
			}
			for _, line := range order.Lines {
				require.NoError(t, uuid.Validate(line.SalesOrderLineID))
				assert.NotEmpty(t, line.Product.SKU)
				scales[line.SubTotal.Decimal.Scale()] = true
				scales[line.Quantity.UomQuantity.Decimal.Scale()] = true
			}
			scales[order.Total.Decimal.Scale()] = true
		})
	}
	assert.GreaterOrEqual(t, len(scales), 3, "amounts have different scales")
}

func TestSamplesAreNewCopies(t *testing.T) {
	first := samples(t)[0]
	first.Order["orderNumber"] = "changed"
	within[map[string]any](t, first.Order, "lines", 0)["subTotal"] = "changed"
	again := samples(t)[0]
	assert.NotEqual(t, "changed", again.Order["orderNumber"])
	assert.NotEqual(t, "changed", within[string](t, again.Order, "lines", 0, "subTotal"))
}

// TestEncodingASampleIsAFixedPoint encodes and decodes the gate's typed order, as a workflow's
// history does. Nothing gets lost.
func TestEncodingASampleIsAFixedPoint(t *testing.T) {
	for _, sample := range samples(t) {
		t.Run(sample.Name, func(t *testing.T) {
			order := typed(t, sample.Order)
			once, err := json.Marshal(order)
			require.NoError(t, err)
			var back inflow.SalesOrder
			require.NoError(t, json.Unmarshal(once, &back))
			assert.Equal(t, order, back)
			twice, err := json.Marshal(back)
			require.NoError(t, err)
			assert.Equal(t, string(once), string(twice))
			if email, _ := sample.Order["email"].(string); email != "" {
				assert.NotContains(t, string(once), email)
				assert.True(t, bool(order.Email))
			}
		})
	}
}
