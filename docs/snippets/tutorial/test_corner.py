import pytest
from diary import diary, sold_so_far
from stock import OutOfStock, Parcel, deliver, stock, take
from till import Sale, buy, sold, till

from pillion.testing.doubles import double


async def test_what_is_sold_is_in_the_diary(host):
    async with host(stock, till, diary) as app:
        await app.call(deliver, Parcel(item="tea", amount=5))
        assert await app.call(buy, Parcel(item="tea", amount=2)) == Sale(item="tea", amount=2)
        await app.until_quiet()
        assert await app.call(sold_so_far, "tea") == 2


async def test_what_is_not_there_is_not_sold(host):
    empty = double(take).raises(OutOfStock(item="tea", left=1))
    async with host(till, doubles=[empty], capture=True) as app:
        with pytest.raises(OutOfStock) as failure:
            await app.call(buy, Parcel(item="tea", amount=2))
        assert failure.value.left == 1
        assert app.emitted(sold) == []
