from till import till

from pillion import Gateway

front = Gateway([till.contract], title="Corner shop")
