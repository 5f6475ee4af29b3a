"""The evidence in docs/results: experiments are sweeps of rhm whose results are kept as small JSON; pages and pictures are drawn
from that."""
